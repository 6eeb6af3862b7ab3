//! Invariants that tests break on purpose, to show that the test suite would notice. Without the
//! feature `mutants` nothing is ever broken, and the compiler removes the checks.

/// A broken invariant of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Every outcome of a task counts, not only the first.
    NoDedupe,
    /// A different second answer to a task is treated as equal to the first.
    ConflictUnseen,
    /// A job ends when all tasks planned so far are answered, before its plan end has come.
    EndWithoutPlanEnd,
    /// A restarted owner forgets which tasks were out.
    ForgetFlights,
    /// An outcome and its job's account are committed in two transactions.
    SplitCommit,
    /// The owner accepts tasks that another walk over the tree planned.
    NoLinks,
    /// Messages of another opening of the job are accepted.
    AnyOpening,
    /// Messages about another task with the same number are accepted.
    AnyPlan,
    /// The answer for a changed file is taken over as well.
    KeepChanged,
    /// Items that one consumer cannot do are not offered to another.
    AskNobodyElse,
    /// Leases never lapse.
    LeaseForEver,
    /// A cancellation is confirmed without being written to the store.
    CancelUnwritten,
    /// Outcomes that come after a cancellation count.
    CountLate,
    /// The last answer overwrites the sum, so totals depend on the order of outcomes.
    FoldLast,
    /// All planned tasks are sent at once.
    NoWindow,
    /// A message that a broker policy removed from its queue counts as an attempt.
    ChargeExpired,
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
