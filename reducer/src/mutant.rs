//! Invariants that are broken on purpose, so that tests can show that somebody would notice. Without
//! the feature `mutants` nothing is ever broken, and the compiler removes the question.

/// An invariant of this crate, broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Every outcome counts, not only the first of its task.
    NoDedupe,
    /// Another answer to the same task passes for the same one.
    ConflictUnseen,
    /// A job ends when all that is planned so far is answered, without its plan end.
    EndWithoutPlanEnd,
    /// A new process does not know what was out.
    ForgetFlights,
    /// An outcome and its job's account are two transactions.
    SplitCommit,
    /// What another walk over the tree planned is taken as well.
    NoLinks,
    /// What is of another opening of a job passes for this one's.
    AnyOpening,
    /// What is of another task of the same number passes for this one's.
    AnyPlan,
    /// The answer to a file that has changed is taken over as well.
    KeepChanged,
    /// What one consumer does not have is asked of no other.
    AskNobodyElse,
    /// A lease never lapses.
    LeaseForEver,
    /// A cancellation is answered that is in no store.
    CancelUnwritten,
    /// Outcomes count that come after their job was cancelled.
    CountLate,
    /// What answers add up to depends on their order: the last one stands.
    FoldLast,
    /// All that is planned is sent at once.
    NoWindow,
    /// A message that a policy of the broker took out of its queue counts as an attempt.
    ChargeExpired,
}

#[cfg(feature = "mutants")]
mod present {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static PRESENT: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Breaks this invariant, or none, on this thread.
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

/// Whether this invariant is broken: it is not.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
