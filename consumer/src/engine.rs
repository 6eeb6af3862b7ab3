//! The consumer's state machine: takes deliveries and results, returns the actions to perform.
//! It has no I/O, no clock and no threads.
//!
//! # Layout
//! - `held`: one delivery, from its arrival until nothing is left to do for it
//! - `early`: answers to a part of a task
//! - `claim`: who is responsible for a task; leases and cancellations
//! - `lanes`: which lanes there are, and what comes from the queue of each
//! - `cores`: how many tasks run at a time

mod claim;
mod cores;
mod early;
mod held;
mod lanes;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::protocol::id::{ConsumerId, OpeningId};
use shared::protocol::message::{Failure, Lease, Outcome, Parts, Presence, Task, Verdict};
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::system::clock::Moment;

use cores::Cores;
use held::{Claim, Held, State};
use lanes::Lanes;
pub use lanes::{Lane, LaneSpec, ListedLane};

use crate::recalled::Recalled;
use crate::work::{Early, WorkError};

/// Names a delivery until it is settled. Tags ascend in the order in which deliveries arrive.
pub type Tag = u64;

#[derive(Debug, Clone)]
pub struct Config {
    pub consumer: ConsumerId,
    pub host: String,
    /// Tasks that run at the same time in all lanes that use cores.
    pub cores: u32,
    /// Heartbeat interval, milliseconds.
    pub heartbeat_millis: u64,
    /// How long the broker waits for an ack.
    pub ack_timeout: Duration,
}

/// The answer to a task, or to what of it was open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub answer: Payload,
    /// The parts of the answer that were published and confirmed while the task was worked on.
    pub parts: Option<Parts>,
}

#[derive(Debug)]
pub enum Event {
    /// A lane is to take tasks. Its id must be new.
    LaneOpened { lane: Lane, spec: LaneSpec },
    /// A lane is to take no more tasks.
    LaneClosed { lane: Lane },
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
    /// A part of a running task is answered, and the work goes on with the others. Its end gives the
    /// answer to these.
    Early { tag: Tag, early: Early },
    /// The broker confirmed the lease that was published for this delivery.
    Leased { tag: Tag },
    /// The broker confirmed the lease with an early answer that was published for this delivery.
    EarlyTaken { tag: Tag },
    /// An owner cancelled these openings.
    Cancelled(Vec<OpeningId>),
    /// A heartbeat is due, or was requested. Leases are looked for as well.
    HeartbeatDue,
    /// Start no more tasks and finish the running ones.
    Stop,
}

#[derive(Debug)]
pub enum Action {
    /// Consume from the lane's queue.
    Subscribe {
        lane: Lane,
    },
    /// End the lane's subscription: it has no delivery that is still to be acked. The broker
    /// redelivers those that were dropped.
    Unsubscribe {
        lane: Lane,
    },
    /// Nothing of the closed lane runs any more. The lane is gone.
    LaneEnded {
        lane: Lane,
    },
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
    /// Publish this lease, then report [`Event::Leased`], or [`Event::EarlyTaken`] if it has an early
    /// answer.
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
    lanes: Lanes,
    cores: Cores,
    held: BTreeMap<Tag, Held>,
    stopping: bool,
    /// Whether a heartbeat was announced. The first one names all lanes that are opened at the
    /// start.
    announced: bool,
}

impl Consumer {
    pub fn new(config: Config) -> Self {
        Self {
            recalled: Recalled::default(),
            lanes: Lanes::default(),
            cores: Cores::new(config.cores),
            held: BTreeMap::new(),
            stopping: false,
            announced: false,
            config,
        }
    }

    pub fn id(&self) -> &ConsumerId {
        &self.config.consumer
    }

    pub fn step(&mut self, event: Event, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::LaneOpened { lane, spec } => self.open(lane, spec, &mut actions),
            Event::LaneClosed { lane } => self.close(lane, &mut actions),
            Event::Delivered { lane, tag, task, returns } => {
                actions.extend(self.delivered((lane, tag), task, returns, now));
            }
            Event::Worked { tag, result, micros } => actions.extend(self.worked(tag, result, micros)),
            Event::Confirmed { tag } => actions.extend(self.confirmed(tag)),
            Event::Early { tag, early } => actions.extend(self.early(tag, early)),
            Event::Leased { tag } => self.leased(tag, &mut actions),
            Event::EarlyTaken { tag } => self.early_taken(tag, &mut actions),
            Event::Interrupted { lane } => self.forget_waiting(|held| held.lane == lane, &mut actions),
            Event::Cancelled(openings) => {
                self.recalled.add(openings);
                self.recall(&mut actions);
            }
            Event::HeartbeatDue => {
                self.lease_long_held(now, &mut actions);
                actions.push(self.announce());
            }
            Event::Stop => {
                self.stopping = true;
                self.forget_waiting(|_| true, &mut actions);
                actions.push(self.announce());
            }
        }
        self.start_more(&mut actions);
        self.end_lanes(&mut actions);
        if self.stopping && self.held.is_empty() {
            actions.push(Action::Stopped);
        }
        actions
    }

    /// Starts waiting tasks, the oldest first, as long as slots and cores are free.
    fn start_more(&mut self, actions: &mut Vec<Action>) {
        if !self.cores.have_room() {
            return;
        }
        let is_suspect =
            |held: &&Held| held.starts_leased() && matches!(held.state, State::Suspect | State::Running(_));
        let mut suspects: BTreeSet<Lane> = self.held.values().filter(is_suspect).map(|held| held.lane).collect();
        let mut leases = Vec::new();
        for (&tag, held) in &mut self.held {
            let Some(task) = held.task.as_ref().filter(|_| held.state == State::Waiting) else { continue };
            if (held.starts_alone() && suspects.contains(&held.lane)) || !self.cores.take(held.lane) {
                continue;
            }
            if held.starts_leased() {
                suspects.insert(held.lane);
                leases.push((tag, task.clone()));
                held.state = State::Suspect;
            } else {
                actions.push(Action::Start { tag, task: task.clone(), isolated: held.is_isolated() });
                held.state = State::Running(Claim::Delivery);
            }
        }
        actions.extend(leases.into_iter().map(|(tag, task)| self.lease_of(tag, &task, true, true)));
    }

    /// Drops these of the waiting tasks.
    fn forget_waiting(&mut self, which: impl Fn(&Held) -> bool, actions: &mut Vec<Action>) {
        self.held.retain(|&tag, held| {
            let is_kept = held.state != State::Waiting || !which(held);
            if !is_kept {
                actions.push(Action::Drop { tag });
            }
            is_kept
        });
    }

    fn worked(&mut self, tag: Tag, result: Result<Done, WorkError>, micros: u64) -> Option<Action> {
        let held = self.held.get_mut(&tag)?;
        let State::Running(claim) = held.state else { return None };
        self.cores.give_back(held.lane);
        // The owner must have the early answer first: without it, this one is about nothing.
        if let Some(part) = held.early.as_mut().filter(|part| !part.is_taken && claim != Claim::Cancelled) {
            part.ended = Some((result, micros));
            return None;
        }
        self.answer(tag, result, micros)
    }

    /// The work on a task has ended, and its outcome is published.
    fn answer(&mut self, tag: Tag, result: Result<Done, WorkError>, micros: u64) -> Option<Action> {
        let held = self.held.get_mut(&tag)?;
        let State::Running(claim) = held.state else { return None };
        let Some(task) = held.task.as_ref().filter(|_| claim != Claim::Cancelled) else {
            self.held.remove(&tag);
            return None;
        };
        let (verdict, parts) = match result {
            Ok(Done { answer, parts }) => (Verdict::Done(answer), parts),
            Err(WorkError::Failed(failure)) => (Verdict::Failed(failure), None),
            Err(WorkError::Permanent(failure)) => (Verdict::Permanent(failure), None),
            // The delivery is already acked, so there is nothing to dead-letter.
            Err(WorkError::Rejected(reason)) if claim == Claim::Leased => {
                (Verdict::Failed(Failure { reason: reason.to_string(), stderr: String::new() }), None)
            }
            Err(WorkError::Rejected(reason)) => {
                held.state = State::DeadLetter;
                return Some(Action::DeadLetter { tag, reason });
            }
        };
        let (address, redelivered) = (task.address.clone(), held.returns > 0);
        held.state = State::Outcome(claim);
        let host = self.config.host.clone();
        let consumer = Some(self.config.consumer.clone());
        let outcome = Outcome { address, consumer, host, micros, redelivered, verdict, parts };
        Some(Action::Answer { tag, outcome: Box::new(outcome) })
    }

    /// A confirm may be repeated; only the first one settles the delivery.
    fn confirmed(&mut self, tag: Tag) -> Option<Action> {
        let is_acked = match self.held.get(&tag)?.state {
            State::Outcome(claim) => claim == Claim::Leased,
            State::DeadLetter => false,
            _ => return None,
        };
        let ack = self.settle(tag);
        (!is_acked).then_some(ack)
    }

    fn settle(&mut self, tag: Tag) -> Action {
        self.held.remove(&tag);
        Action::Ack { tag }
    }

    /// Replaces an outcome that is too large for a message with a failure that says why.
    pub fn too_large(outcome: Outcome, why: impl std::fmt::Display) -> Outcome {
        let reason = format!("its answer cannot be sent: {why}");
        Outcome { verdict: Verdict::Failed(Failure { reason, stderr: String::new() }), parts: None, ..outcome }
    }

    fn announce(&mut self) -> Action {
        self.announced = true;
        Action::Announce(Box::new(Presence {
            consumer: self.config.consumer.clone(),
            host: self.config.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: self.lanes().filter(|lane| lane.is_open).map(|lane| lane.state).collect(),
            holds: self.held.values().filter_map(Held::names).collect(),
            heartbeat_millis: self.config.heartbeat_millis,
            leaving: self.stopping,
            roots: Vec::new(),
            troubles: Vec::new(),
        }))
    }
}
