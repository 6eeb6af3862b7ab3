//! One delivery, from its arrival until nothing is left to do for it.

use shared::protocol::id::HeldTask;
use shared::protocol::limits::ISOLATED_AFTER;
use shared::protocol::message::Task;
use shared::system::clock::Moment;

use super::{Done, Lane};
use crate::work::{self, WorkError};

#[derive(Debug)]
pub(super) struct Held {
    pub lane: Lane,
    /// When the delivery arrived.
    pub since: Moment,
    /// Earlier deliveries of this message.
    pub returns: u32,
    /// `None` if the message is no task for the lane. Such a delivery is dead-lettered.
    pub task: Option<Box<Task>>,
    pub state: State,
    /// Since a part of it was answered.
    pub early: Option<Part>,
}

/// A task of which a part was answered, while the work on the others goes on.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Whether the broker has confirmed the early answer.
    pub is_taken: bool,
    /// The end of the work, if it came before that.
    pub ended: Option<(Result<Done, WorkError>, u64)>,
}

/// Who is responsible for a task that runs or has run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The broker is responsible: the delivery is not acked.
    Delivery,
    /// The broker is responsible until it confirms the published lease.
    Leasing,
    /// This consumer is responsible: the owner has the lease, and the delivery is acked.
    Leased,
    /// The job is cancelled and the delivery acked: the result will be discarded.
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for a slot.
    Waiting,
    /// Has a slot, and a lease on it is published and not confirmed: a consumer may have died of it,
    /// and its queue does not count that. It starts under the lease.
    Suspect,
    Running(Claim),
    /// Its outcome is published and not confirmed.
    Outcome(Claim),
    /// Its dead letter is published and not confirmed.
    DeadLetter,
    /// A lease that gives the task back to its owner is published and not confirmed: the task
    /// waited too long for a slot, or should avoid this consumer.
    Returned,
    /// A later attempt at a task that already runs here under a lease. The lease is renewed, and
    /// that is not confirmed.
    Joined,
}

impl Held {
    /// Whether to isolate the task: it may have killed two consumers, and its workload isolates
    /// such tasks.
    ///
    /// The cause of a consumer's death is unknown, so every earlier attempt counts as a death: the
    /// deliveries of this message, which the broker counts, and the earlier messages, which the
    /// owner counts. The owner's count matters when a consumer died silently or the queue was lost
    /// with the broker's counts. An attempt that ended for another reason (its consumer stopped, or
    /// it reported a failure) only isolates the task earlier than needed, which is slower but
    /// correct.
    pub fn is_isolated(&self) -> bool {
        self.task.as_ref().is_some_and(|task| {
            let attempts_before = task.address.attempt.saturating_sub(1);
            let is_suspect = self.returns.saturating_add(attempts_before) >= ISOLATED_AFTER;
            is_suspect && work::of(task.address.workload).isolates_suspects()
        })
    }

    /// Whether it starts under a lease: it was delivered before, from a queue that counts no
    /// deliveries. If this consumer dies of it, the lease lapses, and the owner counts that.
    pub fn starts_leased(&self) -> bool {
        let is_light = |task: &Task| task.address.workload.descriptor().queue.is_light();
        self.returns > 0 && self.task.as_ref().is_some_and(|task| is_light(task))
    }

    /// Whether to keep it apart from others that start under a lease: its owner has sent it again,
    /// so one of them has cost an attempt, and no other must be taken for it.
    pub fn starts_alone(&self) -> bool {
        self.starts_leased() && self.task.as_ref().is_some_and(|task| task.address.attempt > 1)
    }

    /// The task as heartbeats name it, unless nobody waits for it.
    pub fn names(&self) -> Option<HeldTask> {
        let is_wanted = self.state != State::Running(Claim::Cancelled);
        self.task.as_ref().filter(|_| is_wanted).map(|task| task.address.held())
    }

    /// Whether the broker still waits for this consumer to ack the delivery.
    pub fn is_unsettled(&self) -> bool {
        match self.state {
            State::Waiting | State::Suspect | State::DeadLetter | State::Returned | State::Joined => true,
            State::Running(claim) | State::Outcome(claim) => matches!(claim, Claim::Delivery | Claim::Leasing),
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }
}
