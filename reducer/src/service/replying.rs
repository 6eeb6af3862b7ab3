//! Replies on their way to the broker. The end of the process must not cut off the last of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

#[derive(Debug, Default)]
pub(super) struct Replying(Mutex<JoinSet<()>>);

impl Replying {
    /// Sends a reply in the background.
    pub fn spawn(&self, sending: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        all.spawn(sending);
    }

    /// Waits until all replies are sent, but at most for `patience`.
    pub async fn wait(&self, patience: Duration) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // Replies that are not sent by then are cut off.
        let _ = timeout(patience, async { while all.join_next().await.is_some() {} }).await;
    }
}
