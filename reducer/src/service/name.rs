//! This process's identity among processes that use the same owner name.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use shared::protocol::id::StoreId;
use shared::protocol::message::Session;
use shared::system::{host, random};

/// Other processes with this name that are remembered, so that each is logged once.
const HEARD_MAX: usize = 64;

/// This process, and the other processes of the same name that it has heard of.
#[derive(Debug)]
pub(super) struct Name {
    pub session: Session,
    heard: Mutex<BTreeSet<String>>,
}

impl Name {
    pub fn new(store: StoreId, now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (id, process) = (random::token(), std::process::id());
        let session = Session { id, store, host: host::name(), process, since };
        Self { session, heard: Mutex::default() }
    }

    /// Whether this is the first claim of that process.
    pub fn is_new(&self, other: &Session) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() >= HEARD_MAX {
            heard.clear();
        }
        heard.insert(other.id.clone())
    }
}
