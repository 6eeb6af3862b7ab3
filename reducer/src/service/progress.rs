//! State that callers in the same process watch and wait for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use shared::protocol::id::OpeningId;
use shared::protocol::message::Reply;
use tokio::sync::oneshot;

use super::ServiceError;

/// Callers that wait for a reply, by number.
pub(super) type Replies = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Reply>>>>;

/// The owner's progress.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Tasks below this number have their outcome, by the opening of their job.
    pub answered: BTreeMap<OpeningId, u64>,
    /// Openings of which every task has its outcome, so that their report can be completed.
    pub complete: Vec<OpeningId>,
    pub finished: Vec<OpeningId>,
    /// Set once the owner has stopped: `Ok` if it was asked to, or the error.
    pub ended: Option<Result<(), ServiceError>>,
}
