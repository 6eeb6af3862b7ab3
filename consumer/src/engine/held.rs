//! A task that was delivered and is not done.

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
    /// Nobody knows who killed whom, so every earlier try counts as if it had killed its consumer: those
    /// of this message, which the broker counts, and those of earlier messages, which the owner counts.
    /// The latter matter when a consumer's death was found out by its owner's silence, or the queue was
    /// lost with its counts. Tries that came back for other reasons (a consumer that stopped, or a
    /// failure that was answered) make a task slow too early and never wrong.
    pub fn is_suspect(&self) -> bool {
        let attempts_before = self.task.address.attempt.saturating_sub(1);
        self.returns.saturating_add(attempts_before) >= ISOLATED_AFTER
    }
}
