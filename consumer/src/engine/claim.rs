//! Who is responsible for a task: the broker until its delivery is acked, then this consumer under
//! a lease. A cancelled task needs neither.

#[cfg(test)]
mod tests;

use shared::protocol::message::{Lease, LeaseBody, Task};
use shared::system::clock::Moment;

use super::{Action, Claim, Consumer, Held, State, Tag};

impl Consumer {
    /// Merges a later attempt into the run of the same task that goes on here under a lease, if
    /// any. The owner ignores failures of superseded attempts, so the run adopts the newer attempt
    /// number. The owner may have resent the task because the lease expired, so the lease is
    /// renewed.
    pub(super) fn join_lease(&mut self, tag: Tag, task: &Task) -> Option<Action> {
        let (id, attempt) = (task.address.held(), task.address.attempt);
        let is_it = |run: &Task| run.address.held() == id && run.address.plan == task.address.plan;
        let leased = self.held.values_mut().filter(|held| held.state == State::Running(Claim::Leased));
        let run = leased.filter_map(|held| held.task.as_mut()).find(|run| is_it(run))?;
        run.address.attempt = run.address.attempt.max(attempt);
        let run = Task::clone(run);
        Some(self.lease_of(tag, &run, false, true))
    }

    /// Leases running tasks that were held for half of the ack timeout, and gives back waiting
    /// ones. The broker requeues a delivery that is not acked within the ack timeout. The first
    /// half of that time is for the work, the second half for publishing a lease.
    pub(super) fn lease_long_held(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let half = self.config.ack_timeout / 2;
        let is_due = |held: &Held| {
            let is_unleased = matches!(held.state, State::Waiting | State::Running(Claim::Delivery));
            is_unleased && now.saturating_sub(held.since) >= half
        };
        let due = self.held.iter().filter(|(_, held)| is_due(held)).map(|(&tag, _)| tag);
        for tag in due.collect::<Vec<_>>() {
            actions.extend(self.lease(tag));
        }
    }

    /// Leases a running task. A waiting one goes back to its owner, since another consumer may have
    /// a free slot.
    pub(super) fn lease(&mut self, tag: Tag) -> Option<Action> {
        let held = self.held.get_mut(&tag)?;
        let (state, is_started) = match held.state {
            State::Waiting => (State::Returned, false),
            State::Running(Claim::Delivery) => (State::Running(Claim::Leasing), true),
            _ => return None,
        };
        held.state = state;
        let held = self.held.get(&tag)?;
        Some(self.lease_of(tag, held.task.as_ref()?, held.returns > 0, is_started))
    }

    pub(super) fn lease_of(&self, tag: Tag, task: &Task, redelivered: bool, is_started: bool) -> Action {
        let (holder, host) = (self.config.consumer.clone(), self.config.host.clone());
        let (address, body) = (task.address.clone(), LeaseBody::Task(task.body.clone()));
        Action::Lease { tag, lease: Box::new(Lease { address, holder, host, is_started, redelivered, body }) }
    }

    pub(super) fn leased(&mut self, tag: Tag, actions: &mut Vec<Action>) {
        let Some(held) = self.held.get_mut(&tag) else { return };
        match held.state {
            State::Returned | State::Joined => actions.push(self.settle(tag)),
            State::Suspect | State::Running(Claim::Leasing) => {
                if held.state == State::Suspect {
                    let lane = held.lane;
                    let Some(task) = held.task.clone().filter(|task| !self.recalled.drops(task)) else {
                        self.cores.give_back(lane);
                        return actions.push(self.settle(tag));
                    };
                    // Before the ack: the delivery is let go of once the task runs.
                    actions.push(Action::Start { tag, task, isolated: false });
                }
                held.state = State::Running(Claim::Leased);
                actions.push(Action::Ack { tag });
                // From now on the owner relies on this consumer's heartbeats to renew the lease.
                // The next regular one may come later than the owner expects.
                actions.push(self.announce());
            }
            _ => {}
        }
    }

    /// Drops cancelled tasks. The slot of a running one is free when its work has stopped.
    pub(super) fn recall(&mut self, actions: &mut Vec<Action>) {
        let recalled = &mut self.recalled;
        self.held.retain(|&tag, held| {
            let task = held.task.as_ref().filter(|_| held.state == State::Waiting);
            let is_wanted = !task.is_some_and(|task| recalled.drops(task));
            if !is_wanted {
                actions.push(Action::Ack { tag });
            }
            is_wanted
        });
        for (&tag, Held { task, state, .. }) in &mut self.held {
            let State::Running(claim) = *state else { continue };
            let Some(task) = task.as_ref().filter(|task| claim != Claim::Cancelled && recalled.has(task)) else {
                continue;
            };
            recalled.drops(task);
            actions.push(Action::Cancel { tag });
            if claim != Claim::Leased {
                actions.push(Action::Ack { tag });
            }
            *state = State::Running(Claim::Cancelled);
        }
        // Without a change no heartbeat: the owner would answer it with the same cancellation.
        if !actions.is_empty() {
            actions.push(self.announce());
        }
    }
}
