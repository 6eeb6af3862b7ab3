//! Invariants that tests break on purpose, to show that the test suite would notice: those that no
//! [`crate::ledger::Hooks`] can break. Without the feature `mutants` nothing is ever broken, and
//! the compiler removes the checks.

/// A broken invariant of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A restarted owner forgets which tasks were out.
    ForgetFlights,
    /// The answer for a changed file is taken over as well.
    KeepChanged,
    /// Outcomes that come after a cancellation count.
    CountLate,
    /// A job is forgotten that has not ended.
    ForgetOpen,
    /// Messages about a job that was forgotten are refused.
    RefuseLate,
    /// Rows leave the store before their tasks are answered.
    ReleaseOpen,
    /// An early answer is told and not kept.
    KeepNoEarly,
}

#[cfg(feature = "mutants")]
mod present {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static PRESENT: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Breaks this invariant on the current thread; `None` restores all of them.
    pub fn set(mutant: Option<Mutant>) {
        PRESENT.set(mutant);
    }

    pub(crate) fn is(mutant: Mutant) -> bool {
        PRESENT.get() == Some(mutant)
    }
}

#[cfg(feature = "mutants")]
pub(crate) use present::is;
#[cfg(feature = "mutants")]
pub use present::set;

/// Without the feature no invariant is broken.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
