//! Lanes: subscriptions to the tasks of one class each. They come and go while the consumer runs.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use shared::protocol::id::Class;
use shared::protocol::message::{LaneState, Task};
use shared::protocol::reason::Reason;
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

use super::cores::Cores;
use super::{Action, Consumer, Held, State, Tag};

/// Names a lane. Each lane has another id, also after the lane has closed.
pub type Lane = u64;

/// What a lane takes, and how many tasks of it run at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSpec {
    pub workload: Workload,
    pub class: Class,
    /// Tasks that the lane does at a time, at most.
    pub slots: u32,
    /// Tasks that are started before a slot is free for them: short ones would otherwise wait for
    /// the consumer's loop.
    pub ahead: u32,
    /// Whether a running task occupies one of the consumer's cores.
    pub uses_cores: bool,
}

impl LaneSpec {
    /// Refuses a task of another workload or class: it came into the wrong queue.
    fn check(&self, task: Box<Task>) -> Result<Box<Task>, Reason> {
        let Self { workload, class, .. } = self;
        if task.address.workload == *workload && task.class == *class {
            return Ok(task);
        }
        let what =
            format!("workload {}, class {} in the queue of {workload}, {class}", task.address.workload, task.class);
        Err(Reason::NotServed { what })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Takes no more tasks. Deliveries of it are still to be acked.
    Closing,
    /// Has no subscription any more. Tasks of it may still run.
    Unsubscribed,
}

/// A lane that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLane {
    pub lane: Lane,
    pub state: LaneState,
    /// Whether it takes tasks. A closed one waits for its running tasks.
    pub is_open: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lanes(BTreeMap<Lane, (LaneSpec, Phase)>);

impl Lanes {
    pub fn list(&self, cores: &Cores) -> impl Iterator<Item = ListedLane> {
        self.0.iter().map(|(&lane, (spec, phase))| {
            let LaneSpec { workload, ref class, slots, .. } = *spec;
            let state = LaneState { workload, class: class.clone(), slots, busy: cores.busy(lane) };
            ListedLane { lane, state, is_open: *phase == Phase::Open }
        })
    }

    fn ending(&self) -> Vec<(Lane, Phase)> {
        let ending = self.0.iter().filter(|(_, (_, phase))| *phase != Phase::Open);
        ending.map(|(&lane, (_, phase))| (lane, *phase)).collect()
    }
}

impl Consumer {
    /// The lanes that have not ended, in the order of their ids.
    pub fn lanes(&self) -> impl Iterator<Item = ListedLane> {
        self.lanes.list(&self.cores)
    }

    pub(super) fn open(&mut self, lane: Lane, spec: LaneSpec, actions: &mut Vec<Action>) {
        if self.stopping {
            return;
        }
        self.cores.add(lane, &spec);
        self.lanes.0.insert(lane, (spec, Phase::Open));
        actions.push(Action::Subscribe { lane });
        if self.announced {
            actions.push(self.announce());
        }
    }

    /// Ends an open lane: drops its waiting tasks and lets the running ones finish. These are
    /// leased at once. Otherwise their deliveries would keep the subscription open as long as they
    /// run, and with it the dropped ones from other consumers.
    pub(super) fn close(&mut self, lane: Lane, actions: &mut Vec<Action>) {
        let Some((_, phase)) = self.lanes.0.get_mut(&lane).filter(|(_, phase)| *phase == Phase::Open) else { return };
        *phase = Phase::Closing;
        self.forget_waiting(|held| held.lane == lane, actions);
        let of_lane = self.held.iter().filter(|(_, held)| held.lane == lane).map(|(&tag, _)| tag);
        for tag in of_lane.collect::<Vec<_>>() {
            actions.extend(self.lease(tag));
        }
        actions.push(self.announce());
    }

    /// Ends subscriptions of closed lanes that have no delivery left to ack, and the lanes of which
    /// nothing runs any more.
    pub(super) fn end_lanes(&mut self, actions: &mut Vec<Action>) {
        for (lane, mut phase) in self.lanes.ending() {
            let has = |is: fn(&Held) -> bool| self.held.values().any(|held| held.lane == lane && is(held));
            if phase == Phase::Closing && !has(Held::is_unsettled) {
                phase = Phase::Unsubscribed;
                actions.push(Action::Unsubscribe { lane });
            }
            if phase == Phase::Unsubscribed && !has(Held::is_running) {
                self.lanes.0.remove(&lane);
                self.cores.remove(lane);
                actions.push(Action::LaneEnded { lane });
            } else if let Some(of_lane) = self.lanes.0.get_mut(&lane) {
                of_lane.1 = phase;
            }
        }
    }

    /// Queues a delivered task, unless it is not for the lane, cancelled, already runs here, or
    /// should avoid this consumer.
    pub(super) fn delivered(
        &mut self,
        (lane, tag): (Lane, Tag),
        task: Result<Box<Task>, Reason>,
        returns: u32,
        now: Moment,
    ) -> Option<Action> {
        let held = |task, state| Held { lane, since: now, returns, task, state, early: None };
        let lane = self.lanes.0.get(&lane).filter(|(_, phase)| *phase != Phase::Unsubscribed);
        // The delivery was under way when the subscription ended.
        let Some((spec, phase)) = lane else { return Some(Action::Drop { tag }) };
        let is_open = *phase == Phase::Open;
        let task = match task.and_then(|task| spec.check(task)) {
            Ok(task) => task,
            // The next consumer of the queue refuses it as well.
            Err(_) if !is_open => return Some(Action::Drop { tag }),
            Err(reason) => {
                self.held.insert(tag, held(None, State::DeadLetter));
                return Some(Action::DeadLetter { tag, reason });
            }
        };
        // Its owner has already counted it as cancelled.
        if self.recalled.drops(&task) {
            return Some(Action::Ack { tag });
        }
        if let Some(lease) = self.join_lease(tag, &task) {
            self.held.insert(tag, held(Some(task), State::Joined));
            return Some(lease);
        }
        if self.stopping || !is_open {
            return Some(Action::Drop { tag });
        }
        let is_avoided = task.avoid.contains(&self.config.consumer);
        let lease = is_avoided.then(|| self.lease_of(tag, &task, returns > 0, false));
        self.held.insert(tag, held(Some(task), if is_avoided { State::Returned } else { State::Waiting }));
        lease
    }
}
