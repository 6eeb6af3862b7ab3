//! What callers in the same process wait for: replies, the progress of jobs that they follow, and
//! the results of jobs that they stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::protocol::id::OpeningId;
use shared::protocol::message::{Reply, Verdict};
use shared::protocol::payload::Payload;
use tokio::sync::{mpsc, oneshot, watch};

use crate::owner::Reached;

/// Callers that wait for a reply, by number.
pub(super) type Replies = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Reply>>>>;

/// What a caller that streams a job hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streamed {
    /// A task has its one outcome, which is committed.
    Counted {
        number: u64,
        verdict: Verdict,
        host: String,
        /// Time that the work took, microseconds.
        micros: u64,
    },
    /// A part of a task is answered, which is committed. Its outcome, which is to come, has this part
    /// as well.
    Early {
        number: u64,
        answer: Payload,
        /// Time that the work on this part took, microseconds.
        micros: u64,
    },
    /// So many consumers serve the job's classes now.
    Served { consumers: u32, slots: u64 },
}

/// Callers that follow an opening of a job, or stream it. Nothing is kept for openings that nobody
/// follows.
#[derive(Debug, Default)]
pub(super) struct Followers {
    followed: Mutex<BTreeMap<OpeningId, watch::Sender<Reached>>>,
    streams: Mutex<BTreeMap<OpeningId, mpsc::UnboundedSender<Streamed>>>,
}

impl Followers {
    /// Follows an opening. The first value is empty; [`crate::owner::Event::Follow`] asks for the
    /// present one.
    pub fn follow(&self, opening: &OpeningId) -> watch::Receiver<Reached> {
        let mut all = self.all();
        all.retain(|_, follower| !follower.is_closed());
        all.entry(opening.clone()).or_default().subscribe()
    }

    pub fn reached(&self, opening: &OpeningId, change: impl FnOnce(&mut Reached)) {
        if let Some(follower) = self.all().get(opening) {
            follower.send_modify(change);
        }
    }

    /// Streams an opening. The latest caller gets all.
    pub fn stream(&self, opening: &OpeningId) -> mpsc::UnboundedReceiver<Streamed> {
        let (sender, stream) = mpsc::unbounded_channel();
        let mut all = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, sender| !sender.is_closed());
        all.insert(opening.clone(), sender);
        stream
    }

    pub fn streamed(&self, opening: &OpeningId, streamed: Streamed) {
        if let Some(stream) = self.streams.lock().unwrap_or_else(PoisonError::into_inner).get(opening) {
            // A caller that is gone needs no more.
            let _ = stream.send(streamed);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<OpeningId, watch::Sender<Reached>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
