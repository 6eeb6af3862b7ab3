//! What callers in the same process wait for: replies, and the progress of jobs that they follow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::protocol::id::OpeningId;
use shared::protocol::message::Reply;
use tokio::sync::{oneshot, watch};

use crate::owner::Reached;

/// Callers that wait for a reply, by number.
pub(super) type Replies = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Reply>>>>;

/// Callers that follow an opening of a job. Nothing is kept for openings that nobody follows.
#[derive(Debug, Default)]
pub(super) struct Followers(Mutex<BTreeMap<OpeningId, watch::Sender<Reached>>>);

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

    fn all(&self) -> MutexGuard<'_, BTreeMap<OpeningId, watch::Sender<Reached>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
