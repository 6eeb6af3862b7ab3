//! A task that was delivered and has no outcome yet.

use shared::protocol::limits::ISOLATED_AFTER;
use shared::protocol::message::Task;

use super::{Claim, Lane};

#[derive(Debug)]
pub(super) struct Held {
    pub lane: Lane,
    pub task: Box<Task>,
    pub returns: u32,
    pub claim: Claim,
}

impl Held {
    /// Whether the task may have killed two consumers.
    ///
    /// The cause of a consumer's death is unknown, so every earlier attempt counts as a death: the
    /// deliveries of this message, which the broker counts, and the earlier messages, which the
    /// owner counts. The owner's count matters when a consumer died silently or the queue was lost
    /// with the broker's counts. An attempt that ended for another reason (its consumer stopped, or
    /// it reported a failure) only isolates the task earlier than needed, which is slower but
    /// correct.
    pub fn is_suspect(&self) -> bool {
        let attempts_before = self.task.address.attempt.saturating_sub(1);
        self.returns.saturating_add(attempts_before) >= ISOLATED_AFTER
    }
}
