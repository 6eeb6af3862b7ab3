//! The consumer's engine: deliveries and results in, what to do out. No I/O, no clock, no threads.

mod claim;
mod held;

use std::collections::{BTreeMap, VecDeque};

use shared::protocol::id::{Class, ConsumerId, HeldTask, OpeningId};
use shared::protocol::message::{Failure, Lease, Outcome, Parts, Presence, Task, Verdict};
use shared::protocol::reason::Reason;
use shared::protocol::workload::Workload;

use claim::{Claim, Publishing};
use held::Held;

use crate::recalled::Recalled;
use crate::work::WorkError;

/// A delivery, until it is settled.
pub type Tag = u64;

/// A subscription: one queue.
pub type Lane = usize;

/// What a consumer is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which process.
    pub consumer: ConsumerId,
    /// On which machine.
    pub host: String,
    /// Tasks at a time.
    pub slots: u32,
    /// What it subscribes to, by lane.
    pub serves: Vec<(Workload, Class)>,
    /// Heartbeat interval, milliseconds.
    pub heartbeat_millis: u64,
}

/// A task that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The answer.
    pub answer: Vec<u8>,
    /// What of it was published, and confirmed, while the task was worked on.
    pub parts: Option<Parts>,
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A delivery, read as far as its envelope goes.
    Delivered {
        /// Where it came from.
        lane: Lane,
        /// Its tag.
        tag: Tag,
        /// The task, or why it is none.
        task: Result<Box<Task>, Reason>,
        /// How often it was delivered before, as the transport counts.
        returns: u32,
    },
    /// A task was done, or not.
    Worked {
        /// Its delivery.
        tag: Tag,
        /// The answer.
        result: Result<Done, WorkError>,
        /// How long it took, in microseconds.
        micros: u64,
    },
    /// The broker has confirmed what was published for this delivery.
    Confirmed {
        /// The delivery.
        tag: Tag,
    },
    /// A lane's connection was lost and is there again: what it had delivered comes again.
    Interrupted {
        /// Which.
        lane: Lane,
    },
    /// Half of the broker's patience with a delivery is over.
    LeaseDue {
        /// Which.
        tag: Tag,
    },
    /// The broker has confirmed the lease that was published for this delivery.
    Leased {
        /// The delivery.
        tag: Tag,
    },
    /// An owner wants no more of these openings.
    Cancelled(Vec<OpeningId>),
    /// A heartbeat is due, or was asked for.
    SignDue,
    /// Take no more.
    Stop,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Do this task.
    Start {
        /// Its delivery.
        tag: Tag,
        /// The task.
        task: Box<Task>,
        /// Item by item, where whatever kills the process kills one item alone.
        isolated: bool,
    },
    /// Stop the work on this task: nobody wants its result, which is still told as [`Event::Worked`].
    Cancel {
        /// Its delivery.
        tag: Tag,
    },
    /// Publish this outcome, then tell [`Event::Confirmed`].
    Answer {
        /// The delivery that it answers.
        tag: Tag,
        /// The outcome.
        outcome: Box<Outcome>,
    },
    /// Publish this lease, then tell [`Event::Leased`].
    Lease {
        /// The delivery whose place it takes.
        tag: Tag,
        /// The lease.
        lease: Box<Lease>,
    },
    /// Publish the delivery to the dead-letter exchange, then tell [`Event::Confirmed`].
    DeadLetter {
        /// The delivery.
        tag: Tag,
        /// Why.
        reason: Reason,
    },
    /// Settle a delivery.
    Ack {
        /// Which.
        tag: Tag,
    },
    /// Forget a stale delivery without settling it: it comes again.
    Drop {
        /// Which.
        tag: Tag,
    },
    /// Publish a heartbeat.
    Announce(Box<Presence>),
    /// Nothing is under way any more: close.
    Stopped,
}

/// The engine.
#[derive(Debug)]
pub struct Consumer {
    config: Config,
    recalled: Recalled,
    waiting: VecDeque<(Tag, Held)>,
    running: BTreeMap<Tag, Held>,
    /// Published and not confirmed.
    publishing: BTreeMap<Tag, Publishing>,
    stopping: bool,
}

impl Consumer {
    /// One that holds nothing.
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

    /// Which process it is.
    pub fn id(&self) -> &ConsumerId {
        &self.config.consumer
    }

    /// Takes one event.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Delivered { lane, tag, task: Ok(task), returns } => {
                let held = Held { lane, task, returns, claim: Claim::Delivery };
                actions.extend(self.delivered(tag, held));
            }
            Event::Delivered { tag, task: Err(reason), .. } => {
                self.publishing.insert(tag, Publishing::Letter(None));
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
            Event::SignDue => actions.push(self.announce()),
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
            Ok(Done { answer, parts }) => (Verdict::Done(answer.into()), parts),
            Err(WorkError::Failed(failure)) => (Verdict::Failed(failure), None),
            // Its delivery is acked: there is no dead letter to send.
            Err(WorkError::Rejected(reason)) if held.claim == Claim::Leased => {
                (Verdict::Failed(Failure { reason: reason.to_string(), stderr: String::new() }), None)
            }
            Err(WorkError::Rejected(reason)) => {
                self.publishing.insert(tag, Publishing::Letter(Some(held.task.address.held())));
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

    /// The outcome was too large for a message: the owner learns that instead, and why.
    pub fn too_large(outcome: Outcome, why: impl std::fmt::Display) -> Outcome {
        let reason = format!("its answer cannot be sent: {why}");
        Outcome { verdict: Verdict::Failed(Failure { reason, stderr: String::new() }), parts: None, ..outcome }
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
            slots: self.config.slots,
            serves: self.config.serves.clone(),
            holds,
            heartbeat_millis: self.config.heartbeat_millis,
            leaving: self.stopping,
            roots: Vec::new(),
        }))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use bytes::Bytes;
    use shared::protocol::id::{PlanHash, TaskId};
    use shared::protocol::message::Address;

    pub(in crate::engine) fn consumer(slots: u32) -> Consumer {
        Consumer::new(Config {
            consumer: ConsumerId::from_name(b"c"),
            host: "h".to_owned(),
            slots,
            serves: vec![(Workload::Steps, Class::from_name(b"any"))],
            heartbeat_millis: 1_000,
        })
    }

    pub(in crate::engine) fn task(number: u64) -> Box<Task> {
        let task = TaskId { job: "j".parse().expect("id"), number };
        let (owner, opening) = ("o".parse().expect("id"), "j1".parse().expect("id"));
        let plan = PlanHash::start();
        let address = Address { task, opening, plan, attempt: 1, owner, workload: Workload::Steps };
        Box::new(Task {
            address,
            class: Class::from_name(b"any"),
            planned_at: None,
            avoid: Vec::new(),
            body: Bytes::from_static(b"{}"),
        })
    }

    pub(in crate::engine) fn done() -> Result<Done, WorkError> {
        Ok(Done { answer: b"{}".to_vec(), parts: None })
    }

    pub(in crate::engine) fn delivered(tag: Tag) -> Event {
        Event::Delivered { lane: 0, tag, task: Ok(task(tag)), returns: 0 }
    }

    pub(in crate::engine) fn names(actions: &[Action]) -> Vec<String> {
        let name = |action: &Action| match action {
            Action::Start { tag, isolated: false, .. } => format!("start {tag}"),
            Action::Start { tag, isolated: true, .. } => format!("isolate {tag}"),
            Action::Answer { tag, .. } => format!("answer {tag}"),
            Action::DeadLetter { tag, .. } => format!("dead-letter {tag}"),
            Action::Cancel { tag } => format!("cancel {tag}"),
            Action::Lease { tag, lease } => format!("lease {tag} started {}", lease.is_started),
            Action::Ack { tag } => format!("ack {tag}"),
            Action::Drop { tag } => format!("drop {tag}"),
            Action::Announce(presence) => format!("announce {} leaving {}", presence.holds.len(), presence.leaving),
            Action::Stopped => "stopped".to_owned(),
        };
        actions.iter().map(name).collect()
    }

    #[test]
    fn an_ack_follows_the_confirm_of_the_outcome() {
        let mut consumer = consumer(1);
        assert_eq!(names(&consumer.step(delivered(1))), ["start 1"]);
        assert_eq!(names(&consumer.step(Event::Worked { tag: 1, result: done(), micros: 1 })), ["answer 1"]);
        assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
    }

    #[test]
    fn no_more_than_its_slots_run_at_a_time() {
        let mut consumer = consumer(2);
        let started: Vec<String> = (1..=4).flat_map(|tag| names(&consumer.step(delivered(tag)))).collect();
        assert_eq!(started, ["start 1", "start 2"]);
        let actions = consumer.step(Event::Worked { tag: 2, result: done(), micros: 1 });
        assert_eq!(names(&actions), ["answer 2", "start 3"]);
    }

    #[test]
    fn a_message_that_is_no_task_is_buried_and_the_next_one_runs() {
        let mut consumer = consumer(1);
        let bad = Event::Delivered { lane: 0, tag: 1, task: Err(Reason::Kind { kind: "x".to_owned() }), returns: 0 };
        assert_eq!(names(&consumer.step(bad)), ["dead-letter 1"]);
        assert_eq!(names(&consumer.step(delivered(2))), ["start 2"]);
        assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
    }

    #[test]
    fn the_third_try_at_a_task_is_isolated_however_the_earlier_ones_were_counted() {
        for (returns, attempt, expected) in
            [(0, 1, "start 1"), (1, 1, "start 1"), (0, 2, "start 1"), (2, 1, "isolate 1"), (1, 2, "isolate 1")]
                .into_iter()
                .chain([(0, 3, "isolate 1"), (19, 1, "isolate 1"), (u32::MAX, u32::MAX, "isolate 1")])
        {
            let mut task = task(1);
            task.address.attempt = attempt;
            let delivered = Event::Delivered { lane: 0, tag: 1, task: Ok(task), returns };
            assert_eq!(names(&consumer(1).step(delivered)), [expected], "{returns} returns, attempt {attempt}");
        }
    }

    #[test]
    fn after_an_interruption_waiting_deliveries_are_forgotten_and_running_ones_finish() {
        let mut consumer = consumer(1);
        consumer.step(delivered(1));
        consumer.step(delivered(2));
        assert_eq!(names(&consumer.step(Event::Interrupted { lane: 0 })), ["drop 2"]);
        assert_eq!(names(&consumer.step(Event::Worked { tag: 1, result: done(), micros: 1 })), ["answer 1"]);
    }

    #[test]
    fn stopping_gives_back_what_waits_and_finishes_what_runs() {
        let mut consumer = consumer(1);
        consumer.step(delivered(1));
        consumer.step(delivered(2));
        assert_eq!(names(&consumer.step(Event::Stop)), ["drop 2", "announce 1 leaving true"]);
        assert_eq!(names(&consumer.step(delivered(3))), ["drop 3"]);
        assert_eq!(names(&consumer.step(Event::Worked { tag: 1, result: done(), micros: 1 })), ["answer 1"]);
        assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1", "stopped"]);
    }
}
