//! Packs on their way to the tasks, and results on their way back.

use std::sync::Arc;

use shared::protocol::payload::Payload;
use shared::protocol::workload::call::CallResult;
use tokio::sync::{mpsc, oneshot};

use super::error::PoolError;
use super::room::Place;

/// A caller of the pool.
#[derive(Debug)]
pub(super) struct Caller {
    pub deliveries: mpsc::UnboundedSender<Delivery>,
    /// How often each call is tried again that returns an error.
    pub retries: u32,
}

impl Caller {
    pub fn deliver(&self, delivery: Delivery) {
        // A caller that is gone wants no results.
        let _ = self.deliveries.send(delivery);
    }

    pub fn is_gone(&self) -> bool {
        self.deliveries.is_closed()
    }

    pub async fn gone(&self) {
        self.deliveries.closed().await;
    }
}

/// Calls of one caller that travel as one task.
#[derive(Debug)]
pub(super) struct Packed {
    pub caller: Arc<Caller>,
    /// The index of its first call.
    pub first: u64,
    pub calls: u32,
    /// Bytes of the calls.
    pub bytes: usize,
    pub body: Payload,
    /// How often its one call was tried before.
    pub tries: u32,
    /// What it takes of the caller's room, until the caller has taken the results. `None` for calls
    /// of a pack whose other results were delivered before.
    pub room: Option<Place>,
    /// What it takes of the room for packs that wait to become tasks.
    pub unsent: Option<Place>,
}

/// Results for one caller.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Several at once, so that whoever waits for them is woken once.
    Several(Vec<Delivery>),
    /// An answer to the calls from index `first` on.
    Answer {
        first: u64,
        answer: Payload,
        /// Given back when the caller has taken the results.
        room: Option<Place>,
    },
    /// Results of single calls, with their indices.
    Results(Vec<(u64, CallResult)>, Option<Place>),
    /// A call that was not sent.
    Failed { index: u64, error: PoolError },
    /// A call has no result.
    GivenUp { index: u64, reason: String },
    /// There are so many calls in all.
    End { calls: u64 },
}

/// The pool is to end as it stands. The sender is dropped when it has.
pub(super) type Terminate = Option<oneshot::Sender<()>>;
