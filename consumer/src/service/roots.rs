//! What the roots lie on, looked at in the background: a file system that hangs must hold up nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::protocol::message::RootState;

use crate::work::Site;

/// What was seen last.
#[derive(Debug, Clone, Default)]
pub(super) struct Looked(Arc<Mutex<Vec<RootState>>>);

impl Looked {
    pub fn latest(&self) -> Vec<RootState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again and again, and for ever.
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
