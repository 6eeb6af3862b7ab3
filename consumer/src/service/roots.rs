//! The file systems of the roots, examined in the background: one that hangs must block nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::protocol::message::RootState;

use crate::work::Site;

/// The root states that were seen last.
#[derive(Debug, Clone, Default)]
pub(super) struct Looked(Arc<Mutex<Vec<RootState>>>);

impl Looked {
    pub fn latest(&self) -> Vec<RootState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refreshes the states at each interval. Never returns.
    pub async fn go_on(self, site: Arc<Site>, every: Duration) {
        loop {
            let seen = Arc::clone(&site);
            if let Ok(seen) = tokio::task::spawn_blocking(move || seen.root_states()).await {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
            }
            tokio::time::sleep(every).await;
        }
    }
}
