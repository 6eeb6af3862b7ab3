//! Who answers for a task: the broker until its delivery is acked, then this consumer, or nobody.

#[cfg(test)]
mod tests;

use shared::protocol::id::HeldTask;
use shared::protocol::message::{Lease, Task};

use super::{Action, Consumer, Held, Tag};

/// Who answers for a task that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The broker: its delivery is not acked.
    Delivery,
    /// The broker, until the lease is confirmed that is on its way.
    Leasing,
    /// This consumer: its owner knows, and its delivery is acked.
    Leased,
    /// Nobody needs to: its job is cancelled, and its delivery acked.
    Cancelled,
}

/// What is on its way to an owner.
#[derive(Debug)]
pub(super) enum Publishing {
    /// A message that is no task, or not for this process.
    Letter(Option<HeldTask>),
    /// An outcome, and whether a lease has taken the place of its delivery.
    Outcome(HeldTask, Claim),
    /// A task that has waited too long for a slot.
    Returned(HeldTask),
    /// A later try of a task that is worked on here under a lease.
    Joined(HeldTask),
}

impl Publishing {
    pub(super) fn task(&self) -> Option<&HeldTask> {
        match self {
            Self::Letter(task) => task.as_ref(),
            Self::Outcome(task, _) | Self::Returned(task) | Self::Joined(task) => Some(task),
        }
    }
}

impl Consumer {
    /// Takes a delivery, unless it is nobody's or another's already.
    pub(super) fn delivered(&mut self, tag: Tag, held: Held) -> Option<Action> {
        // Its owner has counted it.
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

    /// Takes this try of a task for the one that is worked on here under a lease, if there is one: its owner
    /// would take a failure of the try before for an old story. Who sent it again may have taken the lease for
    /// lapsed, so it is leased once more.
    fn join_lease(&mut self, tag: Tag, task: &Task) -> Option<Action> {
        let (id, attempt) = (task.address.held(), task.address.attempt);
        let is_it = |held: &&mut Held| held.task.address.held() == id && held.task.address.plan == task.address.plan;
        let held = self.running.values_mut().filter(|held| held.claim == Claim::Leased).find(is_it)?;
        held.task.address.attempt = held.task.address.attempt.max(attempt);
        let task = Task::clone(&held.task);
        self.publishing.insert(tag, Publishing::Joined(id));
        Some(self.lease_of(tag, task, false, true))
    }

    /// Takes a task over that is worked on, and gives one back that waits: another consumer may have
    /// room for it.
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
            // From now on the owner counts on its heartbeats, which may be rarer than its own.
            actions.push(self.announce());
        }
    }

    /// Lets go of what is cancelled. A slot is free again when its work has noticed.
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
        // What changes nothing needs no sign: it would be answered with the same again.
        if !actions.is_empty() {
            actions.push(self.announce());
        }
    }
}
