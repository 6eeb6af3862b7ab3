//! What reaches an owner, before the store was asked about it.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::{DeadLetter, JobRequest, Lease, Outcome, Part, Place, Planned, Presence};

use crate::owner::{Event, ReplyTo, Tag};

/// An input of the ledger. The ledger adds what the store knows, which makes an [`Event`].
#[derive(Debug)]
pub enum Arrived {
    /// A producer opens a job.
    Open {
        request: Box<JobRequest>,
        /// The random part of the opening's id if the job is a new one. It must be unique.
        opening: OpeningId,
        /// Receives [`shared::protocol::message::Opened`].
        reply: ReplyTo,
    },
    /// A request for the status of the latest jobs.
    Jobs {
        reply: ReplyTo,
    },
    Presence(Box<Presence>),
    Planned {
        job: JobId,
        place: Place,
        planned: Box<Planned>,
        /// The delivery that brought it; `None` if it came from this process.
        tag: Option<Tag>,
    },
    Part {
        part: Box<Part>,
        tag: Option<Tag>,
    },
    Outcome {
        outcome: Box<Outcome>,
        tag: Option<Tag>,
    },
    Lease {
        lease: Box<Lease>,
        tag: Option<Tag>,
    },
    /// A task message of this owner was dead-lettered.
    DeadLetter {
        dead_letter: DeadLetter,
        tag: Option<Tag>,
    },
    /// A request to explain the state of a job, or of one of its tasks.
    Explain {
        job: JobId,
        number: Option<u64>,
        reply: ReplyTo,
    },
    /// A request for the updates of a job's workers after a version, or, with `None`, also for what
    /// they begin with.
    Updates {
        job: JobId,
        opening: OpeningId,
        after: Option<u64>,
        reply: ReplyTo,
    },
    /// A request to replay dead tasks that match a filter.
    Replay {
        filter: Option<String>,
        /// Only tasks of these openings; `None` for all.
        openings: Option<Vec<OpeningId>>,
        reply: ReplyTo,
    },
    /// A request to drop dead tasks that match a filter from the list.
    Forget {
        filter: Option<String>,
        /// Only tasks of these openings; `None` for all.
        openings: Option<Vec<OpeningId>>,
        reply: ReplyTo,
    },
    /// The store has nothing to add.
    Complete(Event),
}

impl Arrived {
    /// The one job that it is about.
    pub(super) fn job(&self) -> Option<&JobId> {
        match self {
            Self::Planned { job, .. } | Self::Explain { job, .. } | Self::Updates { job, .. } => Some(job),
            Self::Part { part, .. } => Some(&part.address.task.job),
            Self::Outcome { outcome, .. } => Some(&outcome.address.task.job),
            Self::Lease { lease, .. } => Some(&lease.address.task.job),
            Self::DeadLetter { dead_letter, .. } => Some(&dead_letter.task.job),
            Self::Complete(
                Event::Status { job, .. }
                | Event::Cancel { job, .. }
                | Event::ForgetJob { job, .. }
                | Event::Follow { job, .. }
                | Event::Taken { job, .. }
                | Event::Update { job, .. },
            ) => Some(job),
            Self::Complete(Event::PlanEnd { plan_end, .. }) => Some(&plan_end.job),
            _ => None,
        }
    }

    /// If it is a message about a task that was sent: its number, and the delivery.
    pub(super) fn of_task(&self) -> Option<(u64, Option<Tag>)> {
        Some(match self {
            Self::Part { part, tag } => (part.address.task.number, *tag),
            Self::Outcome { outcome, tag } => (outcome.address.task.number, *tag),
            Self::Lease { lease, tag } => (lease.address.task.number, *tag),
            Self::DeadLetter { dead_letter, tag } => (dead_letter.task.number, *tag),
            _ => return None,
        })
    }

    /// If it is a message about one opening of a job: that opening, and the delivery.
    pub(super) fn of_opening(&self) -> Option<(&OpeningId, Option<Tag>)> {
        Some(match self {
            Self::Planned { place, tag, .. } => (&place.opening, *tag),
            Self::Part { part, tag } => (&part.address.opening, *tag),
            Self::Outcome { outcome, tag } => (&outcome.address.opening, *tag),
            Self::Lease { lease, tag } => (&lease.address.opening, *tag),
            Self::DeadLetter { dead_letter, tag } => (&dead_letter.of.as_ref()?.0, *tag),
            Self::Complete(Event::PlanEnd { place, tag, .. }) => (&place.opening, *tag),
            _ => return None,
        })
    }
}

impl From<Event> for Arrived {
    fn from(event: Event) -> Self {
        Self::Complete(event)
    }
}
