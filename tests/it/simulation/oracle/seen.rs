//! What owners have committed, as far as it matters to the oracle.

use reducer::ledger::Arrived;
use reducer::owner::{Event, Tag};
use shared::protocol::id::{JobId, OpeningId, PlanHash, TaskId};
use shared::protocol::message::{Address, Parts, Verdict};
use shared::protocol::payload::Payload;

use super::tasks::files_of;
use crate::simulation::jobs::File;

/// An event that an owner has committed, as far as it matters here.
#[derive(Debug)]
pub(in crate::simulation) enum Seen {
    Part {
        of: Said,
        run: String,
        number: u32,
    },
    Done {
        of: Said,
        answer: Payload,
        parts: Option<Parts>,
    },
    Failed {
        of: Said,
    },
    /// A task of a plan with its files, and the plan that it makes of the one that it says it goes on with.
    Planned {
        task: TaskId,
        plan: PlanHash,
        files: Vec<File>,
    },
    Died {
        task: TaskId,
        opening: Option<OpeningId>,
        is_an_attempt: bool,
    },
    Cancel {
        job: JobId,
    },
}

/// A task of one opening and one plan of its job: what is said of it is said of no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::simulation) struct Key {
    pub task: TaskId,
    pub opening: OpeningId,
    pub plan: PlanHash,
}

/// Of which task something is said, and if not of the whole of it, of which rest.
#[derive(Debug, Clone)]
pub(in crate::simulation) struct Said {
    pub key: Key,
    pub rest: Option<PlanHash>,
}

impl Said {
    fn of(address: &Address) -> Self {
        let Address { task, opening, plan, .. } = address.clone();
        Self { key: Key { task, opening, plan }, rest: None }
    }
}

impl Seen {
    /// The task that it is about, unless that is a new one.
    pub fn said(&mut self) -> Option<&mut Said> {
        match self {
            Self::Part { of, .. } | Self::Done { of, .. } | Self::Failed { of } => Some(of),
            _ => None,
        }
    }

    pub fn job(&self) -> &JobId {
        match self {
            Self::Part { of, .. } | Self::Done { of, .. } | Self::Failed { of } => &of.key.task.job,
            Self::Planned { task, .. } | Self::Died { task, .. } => &task.job,
            Self::Cancel { job } => job,
        }
    }
}

impl Seen {
    pub fn of(arrived: &Arrived) -> Option<Self> {
        match arrived {
            Arrived::Part { part, .. } => {
                Some(Self::Part { of: Said::of(&part.address), run: part.run.to_string(), number: part.number })
            }
            Arrived::Outcome { outcome, .. } => {
                let of = Said::of(&outcome.address);
                Some(match &outcome.verdict {
                    Verdict::Done(answer) => Self::Done { of, answer: answer.clone(), parts: outcome.parts.clone() },
                    Verdict::Failed(_) | Verdict::Permanent(_) => Self::Failed { of },
                })
            }
            Arrived::Planned { job, place, planned, .. } => {
                let task = TaskId { job: job.clone(), number: planned.number };
                let files = planned.body.as_ref().map(|body| files_of(body));
                let files = files.and_then(Result::ok).unwrap_or_default();
                Some(Self::Planned { task, plan: planned.hash(&place.after), files })
            }
            Arrived::DeadLetter { dead_letter, .. } => {
                let opening = dead_letter.of.as_ref().map(|(opening, _)| opening.clone());
                Some(Self::Died {
                    task: dead_letter.task.clone(),
                    opening,
                    is_an_attempt: dead_letter.death.is_an_attempt(),
                })
            }
            Arrived::Complete(Event::Cancel { job, .. }) => Some(Self::Cancel { job: job.clone() }),
            _ => None,
        }
    }
}

/// The delivery that brought an input.
pub(in crate::simulation) fn tag_of(arrived: &Arrived) -> Option<Tag> {
    match arrived {
        Arrived::Planned { tag, .. }
        | Arrived::Complete(Event::PlanEnd { tag, .. })
        | Arrived::Part { tag, .. }
        | Arrived::Outcome { tag, .. }
        | Arrived::Lease { tag, .. }
        | Arrived::DeadLetter { tag, .. } => *tag,
        _ => None,
    }
}
