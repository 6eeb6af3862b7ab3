//! Who is responsible for a task: the broker until its delivery is acked, then this consumer under
//! a lease. A cancelled task needs neither.

#[cfg(test)]
mod tests;

use shared::protocol::id::HeldTask;
use shared::protocol::message::{Lease, Task};

use super::{Action, Consumer, Held, Tag};

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

/// A message that is published for a delivery and not yet confirmed.
#[derive(Debug)]
pub(super) enum Publishing {
    /// A dead letter. It names its task if the envelope could be read.
    DeadLetter(Option<HeldTask>),
    /// An outcome. Under a leased claim the delivery is already acked.
    Outcome(HeldTask, Claim),
    /// A task given back to its owner: it waited too long for a slot, or should avoid this
    /// consumer.
    Returned(HeldTask),
    /// A later attempt at a task that already runs here under a lease.
    Joined(HeldTask),
}

impl Publishing {
    pub(super) fn task(&self) -> Option<&HeldTask> {
        match self {
            Self::DeadLetter(task) => task.as_ref(),
            Self::Outcome(task, _) | Self::Returned(task) | Self::Joined(task) => Some(task),
        }
    }
}

impl Consumer {
    /// Queues a delivered task, unless it is cancelled, already runs here, or should avoid this
    /// consumer.
    pub(super) fn delivered(&mut self, tag: Tag, held: Held) -> Option<Action> {
        // Its owner has already counted it as cancelled.
        if self.recalled.drops(&held.task) {
            return Some(Action::Ack { tag });
        }
        self.join_lease(tag, &held.task).or_else(|| {
            if self.stopping {
                return Some(Action::Drop { tag });
            }
            if held.task.avoid.contains(&self.config.consumer) {
                self.publishing.insert(tag, Publishing::Returned(held.task.address.held()));
                return Some(self.lease_of(tag, *held.task, held.returns > 0, false));
            }
            self.waiting.push_back((tag, held));
            None
        })
    }

    /// Merges a later attempt into the run of the same task that goes on here under a lease, if
    /// any. The owner ignores failures of superseded attempts, so the run adopts the newer attempt
    /// number. The owner may have resent the task because the lease expired, so the lease is
    /// renewed.
    fn join_lease(&mut self, tag: Tag, task: &Task) -> Option<Action> {
        let (id, attempt) = (task.address.held(), task.address.attempt);
        let is_it = |held: &&mut Held| held.task.address.held() == id && held.task.address.plan == task.address.plan;
        let held = self.running.values_mut().filter(|held| held.claim == Claim::Leased).find(is_it)?;
        held.task.address.attempt = held.task.address.attempt.max(attempt);
        let task = Task::clone(&held.task);
        self.publishing.insert(tag, Publishing::Joined(id));
        Some(self.lease_of(tag, task, false, true))
    }

    /// Leases a running task. A waiting one goes back to its owner, since another consumer may have
    /// a free slot.
    pub(super) fn lease(&mut self, tag: Tag) -> Option<Action> {
        let waiting = self.waiting.iter().position(|(waiting, _)| *waiting == tag);
        let (task, redelivered, is_started) = match waiting.and_then(|at| self.waiting.remove(at)) {
            Some((_, held)) => {
                self.publishing.insert(tag, Publishing::Returned(held.task.address.held()));
                (held.task, held.returns > 0, false)
            }
            None => {
                let held = self.running.get_mut(&tag).filter(|held| held.claim == Claim::Delivery)?;
                held.claim = Claim::Leasing;
                (held.task.clone(), held.returns > 0, true)
            }
        };
        Some(self.lease_of(tag, *task, redelivered, is_started))
    }

    fn lease_of(&self, tag: Tag, task: Task, redelivered: bool, is_started: bool) -> Action {
        let (holder, host) = (self.config.consumer.clone(), self.config.host.clone());
        let lease = Lease { address: task.address, holder, host, is_started, redelivered, body: task.body };
        Action::Lease { tag, lease: Box::new(lease) }
    }

    pub(super) fn leased(&mut self, tag: Tag, actions: &mut Vec<Action>) {
        if let Some(Publishing::Returned(_) | Publishing::Joined(_)) = self.publishing.get(&tag) {
            self.publishing.remove(&tag);
            actions.push(Action::Ack { tag });
        } else if let Some(held) = self.running.get_mut(&tag).filter(|held| held.claim == Claim::Leasing) {
            held.claim = Claim::Leased;
            actions.push(Action::Ack { tag });
            // From now on the owner relies on this consumer's heartbeats to renew the lease. The
            // next regular one may come later than the owner expects.
            actions.push(self.announce());
        }
    }

    /// Drops cancelled tasks. The slot of a running one is free when its work has stopped.
    pub(super) fn recall(&mut self, actions: &mut Vec<Action>) {
        let recalled = &mut self.recalled;
        self.waiting.retain(|(tag, held)| {
            let is_wanted = !recalled.drops(&held.task);
            if !is_wanted {
                actions.push(Action::Ack { tag: *tag });
            }
            is_wanted
        });
        for (&tag, held) in &mut self.running {
            if held.claim != Claim::Cancelled && recalled.has(&held.task) {
                recalled.drops(&held.task);
                actions.push(Action::Cancel { tag });
                if held.claim != Claim::Leased {
                    actions.push(Action::Ack { tag });
                }
                held.claim = Claim::Cancelled;
            }
        }
        // Without a change no heartbeat: the owner would answer it with the same cancellation.
        if !actions.is_empty() {
            actions.push(self.announce());
        }
    }
}
