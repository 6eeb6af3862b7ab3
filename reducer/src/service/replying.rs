//! Replies that are on their way to the broker: the last of them must not be cut off by the end of the process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Replying(Mutex<JoinSet<()>>);

impl Replying {
    /// Sends one in the background.
    pub fn spawn(&self, sending: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        all.spawn(sending);
    }

    /// Waits until all are sent, or for so long.
    pub async fn wait(&self, patience: Duration) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // What is late then is cut off.
        let _ = timeout(patience, async { while all.join_next().await.is_some() {} }).await;
    }
}
