//! The consumer's state machine: takes deliveries and results, returns the actions to perform.
//! It has no I/O, no clock and no threads.

mod claim;
mod held;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, VecDeque};

use shared::protocol::id::{Class, ConsumerId, HeldTask, OpeningId};
use shared::protocol::message::{Failure, LaneState, Lease, Outcome, Parts, Presence, Task, Verdict};
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::Workload;

use claim::{Claim, Publishing};
use held::Held;

use crate::recalled::Recalled;
use crate::work::WorkError;

/// Names a delivery until it is settled.
pub type Tag = u64;

/// Index of a subscription in [`Config::serves`]: one queue.
pub type Lane = usize;

#[derive(Debug, Clone)]
pub struct Config {
    pub consumer: ConsumerId,
    pub host: String,
    /// Tasks that run at the same time.
    pub slots: u32,
    /// Its subscriptions, indexed by lane.
    pub serves: Vec<(Workload, Class)>,
    /// Heartbeat interval, milliseconds.
    pub heartbeat_millis: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub answer: Payload,
    /// The parts of the answer that were published and confirmed while the task was worked on.
    pub parts: Option<Parts>,
}

#[derive(Debug)]
pub enum Event {
    /// A delivery arrived. Its envelope is parsed, its body is not.
    Delivered {
        lane: Lane,
        tag: Tag,
        /// The task, or the reason why the message is not a valid one.
        task: Result<Box<Task>, Reason>,
        /// Earlier deliveries of this message, as the transport counts them.
        returns: u32,
    },
    /// The work on a task ended, with an answer or an error.
    Worked {
        tag: Tag,
        result: Result<Done, WorkError>,
        /// Time that the work took, microseconds.
        micros: u64,
    },
    /// The broker confirmed the outcome or dead letter that was published for this delivery.
    Confirmed { tag: Tag },
    /// The lane reconnected. Its unacked deliveries will be redelivered.
    Interrupted { lane: Lane },
    /// Half of the ack timeout has passed since this delivery arrived.
    LeaseDue { tag: Tag },
    /// The broker confirmed the lease that was published for this delivery.
    Leased { tag: Tag },
    /// An owner cancelled these openings.
    Cancelled(Vec<OpeningId>),
    /// A heartbeat is due, or was requested.
    HeartbeatDue,
    /// Start no more tasks and finish the running ones.
    Stop,
}

#[derive(Debug)]
pub enum Action {
    Start {
        tag: Tag,
        task: Box<Task>,
        /// Whether to work item by item in a process of its own, so that a crash costs one item.
        isolated: bool,
    },
    /// Stop the work on this task: its result is not needed. The end of the work is still reported
    /// as [`Event::Worked`].
    Cancel {
        tag: Tag,
    },
    /// Publish this outcome, then report [`Event::Confirmed`].
    Answer {
        tag: Tag,
        outcome: Box<Outcome>,
    },
    /// Publish this lease, then report [`Event::Leased`].
    Lease {
        /// The delivery that the lease replaces.
        tag: Tag,
        lease: Box<Lease>,
    },
    /// Publish the delivery to the dead-letter exchange, then report [`Event::Confirmed`].
    DeadLetter {
        tag: Tag,
        reason: Reason,
    },
    Ack {
        tag: Tag,
    },
    /// Forget the delivery without settling it. The broker redelivers it.
    Drop {
        tag: Tag,
    },
    /// Publish this heartbeat.
    Announce(Box<Presence>),
    /// No task runs and every publish is confirmed: the consumer can close.
    Stopped,
}

#[derive(Debug)]
pub struct Consumer {
    config: Config,
    recalled: Recalled,
    waiting: VecDeque<(Tag, Held)>,
    running: BTreeMap<Tag, Held>,
    /// Published and not yet confirmed.
    publishing: BTreeMap<Tag, Publishing>,
    stopping: bool,
}

impl Consumer {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            recalled: Recalled::default(),
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            publishing: BTreeMap::new(),
            stopping: false,
        }
    }

    pub fn id(&self) -> &ConsumerId {
        &self.config.consumer
    }

    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Delivered { lane, tag, task: Ok(task), returns } => {
                let held = Held { lane, task, returns, claim: Claim::Delivery };
                actions.extend(self.delivered(tag, held));
            }
            Event::Delivered { tag, task: Err(reason), .. } => {
                self.publishing.insert(tag, Publishing::DeadLetter(None));
                actions.push(Action::DeadLetter { tag, reason });
            }
            Event::Worked { tag, result, micros } => actions.extend(self.worked(tag, result, micros)),
            Event::Confirmed { tag } => match self.publishing.remove(&tag) {
                Some(Publishing::Outcome(_, Claim::Leased)) => {}
                _ => actions.push(Action::Ack { tag }),
            },
            Event::LeaseDue { tag } => actions.extend(self.lease(tag)),
            Event::Leased { tag } => self.leased(tag, &mut actions),
            Event::Interrupted { lane } => actions.extend(self.forget_waiting(|held| held.lane == lane)),
            Event::Cancelled(openings) => {
                self.recalled.add(openings);
                self.recall(&mut actions);
            }
            Event::HeartbeatDue => actions.push(self.announce()),
            Event::Stop => {
                self.stopping = true;
                actions.extend(self.forget_waiting(|_| true));
                actions.push(self.announce());
            }
        }
        self.start_more(&mut actions);
        if self.stopping && self.running.is_empty() && self.publishing.is_empty() {
            actions.push(Action::Stopped);
        }
        actions
    }

    fn start_more(&mut self, actions: &mut Vec<Action>) {
        while self.running.len() < self.config.slots as usize {
            let Some((tag, held)) = self.waiting.pop_front() else { return };
            let isolated = held.is_suspect();
            actions.push(Action::Start { tag, task: held.task.clone(), isolated });
            self.running.insert(tag, held);
        }
    }

    fn forget_waiting(&mut self, which: impl Fn(&Held) -> bool) -> Vec<Action> {
        let (stale, kept) =
            std::mem::take(&mut self.waiting).into_iter().partition::<VecDeque<_>, _>(|(_, held)| which(held));
        self.waiting = kept;
        stale.into_iter().map(|(tag, _)| Action::Drop { tag }).collect()
    }

    fn worked(&mut self, tag: Tag, result: Result<Done, WorkError>, micros: u64) -> Option<Action> {
        let held = self.running.remove(&tag).filter(|held| held.claim != Claim::Cancelled)?;
        let (verdict, parts) = match result {
            Ok(Done { answer, parts }) => (Verdict::Done(answer), parts),
            Err(WorkError::Failed(failure)) => (Verdict::Failed(failure), None),
            // The delivery is already acked, so there is nothing to dead-letter.
            Err(WorkError::Rejected(reason)) if held.claim == Claim::Leased => {
                (Verdict::Failed(Failure { reason: reason.to_string(), stderr: String::new() }), None)
            }
            Err(WorkError::Rejected(reason)) => {
                self.publishing.insert(tag, Publishing::DeadLetter(Some(held.task.address.held())));
                return Some(Action::DeadLetter { tag, reason });
            }
        };
        self.publishing.insert(tag, Publishing::Outcome(held.task.address.held(), held.claim));
        let host = self.config.host.clone();
        let (address, redelivered) = (held.task.address, held.returns > 0);
        let consumer = Some(self.config.consumer.clone());
        let outcome = Outcome { address, consumer, host, micros, redelivered, verdict, parts };
        Some(Action::Answer { tag, outcome: Box::new(outcome) })
    }

    /// Replaces an outcome that is too large for a message with a failure that says why.
    pub fn too_large(outcome: Outcome, why: impl std::fmt::Display) -> Outcome {
        let reason = format!("its answer cannot be sent: {why}");
        Outcome { verdict: Verdict::Failed(Failure { reason, stderr: String::new() }), parts: None, ..outcome }
    }

    fn lane_state(&self, lane: Lane, (workload, class): &(Workload, Class)) -> LaneState {
        let busy = self.running.values().filter(|held| held.lane == lane).count();
        let busy = u32::try_from(busy).unwrap_or(u32::MAX);
        LaneState { workload: *workload, class: class.clone(), slots: self.config.slots, busy }
    }

    fn announce(&self) -> Action {
        let held = self.waiting.iter().map(|(_, held)| held).chain(self.running.values());
        let held = held.filter(|held| held.claim != Claim::Cancelled);
        let holds: Vec<HeldTask> = held
            .map(|held| held.task.address.held())
            .chain(self.publishing.values().filter_map(Publishing::task).cloned())
            .collect();
        Action::Announce(Box::new(Presence {
            consumer: self.config.consumer.clone(),
            host: self.config.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: self.config.serves.iter().enumerate().map(|(lane, serves)| self.lane_state(lane, serves)).collect(),
            holds,
            heartbeat_millis: self.config.heartbeat_millis,
            leaving: self.stopping,
            roots: Vec::new(),
        }))
    }
}
