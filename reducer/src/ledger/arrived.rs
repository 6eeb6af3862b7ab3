//! What reaches an owner, before the store was asked about it.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::{DeadLetter, Lease, Outcome, Part, Place, Planned};

use crate::owner::{Event, ReplyTo, Tag};

/// An input of the ledger. The ledger adds what the store knows, which makes an [`Event`].
#[derive(Debug)]
pub enum Arrived {
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

impl From<Event> for Arrived {
    fn from(event: Event) -> Self {
        Self::Complete(event)
    }
}
