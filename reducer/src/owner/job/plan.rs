//! The plan of a job as far as its owner has it.
//!
//! A plan is *stored*, task by task as its producer sends it, or *derived* from the job's spec: then
//! its producer sends the tasks themselves, and the owner keeps no more of it than its length.

use shared::protocol::id::{Class, PlanHash};
use shared::protocol::job::JobSpec;
use shared::protocol::message::{Place, Planned};

use super::early::Early;
use crate::fold;
use crate::owner::Contiguous;

#[derive(Debug)]
pub(crate) enum Plan {
    Stored(Stored),
    Derived(Derived),
}

#[derive(Debug)]
pub(crate) struct Stored {
    planned: Contiguous,
    /// The hash of the plan up to its first gap.
    hash: PlanHash,
    end: Option<u64>,
    /// Tasks, and the plan end, that arrived before their turn.
    pub early: Early,
}

#[derive(Debug)]
pub(crate) struct Derived {
    class: Class,
    tasks: u64,
    is_ended: bool,
    hash: PlanHash,
    /// Once the plan has ended: tasks below this number are watched or answered.
    watched: u64,
}

/// What a plan end means to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The plan ends now, this many tasks earlier than its spec says.
    Ends { cut: u64 },
    /// It has ended with this number of tasks.
    Known,
    /// Tasks before it have not come.
    Early,
    /// It is of another walk over the tree.
    Other,
    /// It contradicts the tasks known so far.
    Contradicts,
}

impl Plan {
    /// An empty plan, or the whole one if it follows from the spec.
    pub fn new(spec: &JobSpec) -> Self {
        match fold::of(spec).derived() {
            Some(derived) => Self::Derived(Derived {
                // A derived plan has one class.
                class: spec.classes().into_iter().next().unwrap_or_else(|| Class::from_name(b"any")),
                tasks: derived.tasks(),
                is_ended: false,
                hash: PlanHash::start(),
                watched: 0,
            }),
            None => Self::Stored(Stored {
                planned: Contiguous::default(),
                hash: PlanHash::start(),
                end: None,
                early: Early::default(),
            }),
        }
    }

    /// The plan as the last process left it: its number of tasks once it has ended, its hash, and
    /// the numbers that it has.
    pub fn resumed(spec: &JobSpec, end: Option<u64>, hash: PlanHash, planned: Contiguous) -> Self {
        match Self::new(spec) {
            Self::Derived(derived) => {
                Self::Derived(Derived { tasks: end.unwrap_or(derived.tasks), is_ended: end.is_some(), ..derived })
            }
            Self::Stored(_) => Self::Stored(Stored { planned, hash, end, early: Early::default() }),
        }
    }

    /// The class of every task of a derived plan.
    pub const fn class(&self) -> Option<&Class> {
        match self {
            Self::Stored(_) => None,
            Self::Derived(derived) => Some(&derived.class),
        }
    }

    pub const fn is_derived(&self) -> bool {
        matches!(self, Self::Derived(_))
    }

    /// The number of tasks, once the plan is complete.
    pub fn end(&self) -> Option<u64> {
        match self {
            Self::Stored(stored) => stored.end,
            Self::Derived(derived) => derived.is_ended.then_some(derived.tasks),
        }
    }

    /// Whether every task of the complete plan is here.
    pub fn is_complete(&self) -> bool {
        self.end().is_some_and(|tasks| self.prefix() >= tasks)
    }

    pub fn contains(&self, number: u64) -> bool {
        match self {
            Self::Stored(stored) => stored.planned.contains(number),
            Self::Derived(derived) => number < derived.tasks,
        }
    }

    /// The number of tasks up to the first gap.
    pub fn prefix(&self) -> u64 {
        match self {
            Self::Stored(stored) => stored.planned.prefix(),
            Self::Derived(derived) => derived.tasks,
        }
    }

    /// The hash of the plan up to its first gap.
    pub const fn hash(&self) -> &PlanHash {
        match self {
            Self::Stored(stored) => &stored.hash,
            Self::Derived(derived) => &derived.hash,
        }
    }

    /// The hash of the complete plan, for a plan that has one of its own.
    pub fn whole_hash(&self) -> Option<&PlanHash> {
        match self {
            Self::Stored(stored) => stored.end.map(|_| &stored.hash),
            Self::Derived(_) => None,
        }
    }

    /// The first task that the producer has to plan or send, when it opens the job again. `answered`
    /// is the number of tasks that are answered up to the first that is not.
    pub fn resumes_at(&self, answered: u64) -> u64 {
        match self {
            Self::Stored(stored) => stored.planned.prefix(),
            Self::Derived(_) => answered,
        }
    }

    /// What has come before its turn.
    pub const fn early(&self) -> Option<&Early> {
        match self {
            Self::Stored(stored) => Some(&stored.early),
            Self::Derived(_) => None,
        }
    }

    pub const fn early_mut(&mut self) -> Option<&mut Early> {
        match self {
            Self::Stored(stored) => Some(&mut stored.early),
            Self::Derived(_) => None,
        }
    }

    /// Whether a task with this place may come next.
    pub fn follows(&self, place: &Place) -> bool {
        place.after == *self.hash()
    }

    /// Adds the next task.
    pub fn take(&mut self, planned: &Planned) {
        if let Self::Stored(stored) = self {
            stored.planned.insert(planned.number);
            stored.hash = planned.hash(&stored.hash);
        }
    }

    /// What a plan end at `tasks` tasks means. `answered` are the tasks that have an outcome: a
    /// derived plan may end before its spec says so, as when a rider gets off, but not before a task
    /// with an answer.
    pub fn judge_end(&self, tasks: u64, place: &Place, answered: &Contiguous) -> End {
        match self {
            Self::Stored(stored) => match stored.end {
                Some(_) => End::Known,
                None if tasks > stored.planned.prefix() => End::Early,
                None if tasks < stored.planned.end() || !self.follows(place) => End::Other,
                None => End::Ends { cut: 0 },
            },
            Self::Derived(derived) if derived.is_ended && derived.tasks == tasks => End::Known,
            Self::Derived(derived) if derived.is_ended || tasks > derived.tasks || tasks < answered.end() => {
                End::Contradicts
            }
            Self::Derived(derived) => End::Ends { cut: derived.tasks - tasks },
        }
    }

    /// Ends the plan.
    pub fn finish(&mut self, tasks: u64) {
        match self {
            Self::Stored(stored) => stored.end = Some(tasks),
            Self::Derived(derived) => (derived.tasks, derived.is_ended) = (tasks, true),
        }
    }

    /// Ends the plan of a cancelled job with the tasks known so far.
    pub fn break_off(&mut self) {
        match self {
            Self::Stored(stored) => stored.end = stored.end.or(Some(stored.planned.end())),
            Self::Derived(derived) => derived.is_ended = true,
        }
    }

    /// The next task of a derived plan that has ended and that nobody watches yet, with its class:
    /// its producer has sent all of them, and one may be lost.
    pub fn next_to_watch(&mut self, answered: &Contiguous) -> Option<(u64, &Class)> {
        let Self::Derived(derived) = self else { return None };
        if !derived.is_ended {
            return None;
        }
        derived.watched = answered.gap_from(derived.watched);
        let number = derived.watched;
        (number < derived.tasks).then(|| {
            derived.watched += 1;
            (number, &derived.class)
        })
    }
}
