//! A consumer: its engine, with the work on each task in virtual time. As `consumer::service` wires
//! it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use consumer::engine::{Action, Config, Consumer, Done, Event, Tag};
use consumer::parts::PartQueue;
use consumer::work::{Compare, WorkError};
use rand::RngExt;
use shared::protocol::id::{Class, ConsumerId, JobId, RunId};
use shared::protocol::limits;
use shared::protocol::message::{Cancel, DeadLetter, Message, Part, Task, kind};
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::topology::{self, Topology};
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

use super::broker::DeliveryTag;
use super::mutants::Mutant;
use super::role::{Alarm, Do, Input, Lane, Role, Stage};
use super::work::{Eyes, Sight, failed, work};

/// The lane of requests for a heartbeat; tasks have those below.
const CONTROL: Lane = 100;

/// A consumer's process.
pub(super) struct ConsumerRole {
    name: String,
    slots: u32,
    serves: Vec<(Workload, Class)>,
    sight: Sight,
    engine: Option<Consumer>,
    deliveries: BTreeMap<Tag, (Rc<str>, Rc<Message>)>,
    /// When each of them came.
    taken_at: BTreeMap<Tag, Moment>,
    running: BTreeMap<Tag, Running>,
    /// What a publish under a token was for.
    publishing: BTreeMap<u64, For>,
}

struct Running {
    task: Task,
    parts: PartQueue,
    result: Result<Payload, WorkError>,
    kills: bool,
}

#[derive(Clone, Copy)]
enum For {
    Delivery(Tag),
    Lease(Tag),
    Part(Tag),
}

impl ConsumerRole {
    pub fn new(name: String, slots: u32, serves: Vec<(Workload, Class)>, sight: Sight) -> Self {
        let (deliveries, taken_at) = (BTreeMap::new(), BTreeMap::new());
        let (running, publishing) = (BTreeMap::new(), BTreeMap::new());
        Self { name, slots, serves, sight, engine: None, deliveries, taken_at, running, publishing }
    }

    fn tell(&mut self, event: Event, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(engine) = &mut self.engine else { return };
        for action in engine.step(event) {
            self.perform(action, stage, out);
        }
    }

    fn perform(&mut self, action: Action, stage: &mut Stage, out: &mut Vec<Do>) {
        match action {
            Action::Start { tag, task, isolated } => {
                self.check_trust(tag, stage);
                let compare = if stage.breaks(Mutant::CompareNothing) { Compare::Nothing } else { Compare::Times };
                let work = work(&task, stage.jobs, Eyes { sight: self.sight, compare }, stage.random);
                let breaks_all = work.has_bad && stage.breaks(Mutant::BadItemFailsAll);
                let result = if breaks_all { Err(failed("one of its files cannot be read")) } else { work.result };
                let run = format!("{}-{}", self.name, stage.number());
                let mut parts = PartQueue::new(task.address.clone());
                work.pieces.into_iter().for_each(|piece| parts.push(piece, || RunId::from_name(run.as_bytes())));
                let kills = work.kills && (!isolated || stage.breaks(Mutant::NeverIsolate));
                self.running.insert(tag, Running { task: *task, parts, result, kills });
                let wait = if work.is_long { stage.millis(65_000, 110_000) } else { duration(stage) };
                out.push(Do::After(wait, Alarm::Work(tag)));
            }
            Action::Cancel { tag } => {
                if let Some(running) = self.running.get_mut(&tag) {
                    running.parts.give_up();
                    running.result = Err(failed("nobody wants it any more"));
                    running.kills = false;
                    out.push(Do::After(stage.millis(0, 900), Alarm::Work(tag)));
                }
            }
            Action::Lease { tag, lease } => {
                let to = (topology::OUTCOMES, lease.address.owner.to_string());
                self.publish(to, lease.to_message(UNIX_EPOCH), For::Lease(tag), stage, out);
                if stage.breaks(Mutant::AckBeforeLease) {
                    out.push(Do::Ack(tag));
                }
            }
            Action::Answer { tag, outcome } => {
                let to = (topology::OUTCOMES, outcome.address.owner.to_string());
                let message = outcome.to_message(UNIX_EPOCH);
                self.publish(to, message, For::Delivery(tag), stage, out);
                if stage.breaks(Mutant::AckBeforeConfirm) {
                    out.push(Do::Ack(tag));
                }
            }
            Action::DeadLetter { tag, reason } => {
                let Some((key, message)) = self.deliveries.get(&tag) else { return };
                let dead_letter = DeadLetter::wrap(Message::clone(message), &reason, &self.name);
                let to = (topology::DEAD, key.to_string());
                self.publish(to, dead_letter, For::Delivery(tag), stage, out);
            }
            Action::Ack { tag } => {
                self.taken_at.remove(&tag);
                if self.deliveries.remove(&tag).is_some() {
                    out.push(Do::Ack(tag));
                }
            }
            Action::Drop { tag } => {
                self.taken_at.remove(&tag);
                self.deliveries.remove(&tag);
            }
            Action::Announce(presence) => {
                let message = Message::json(kind::PRESENCE, stage.number().to_string(), &presence, UNIX_EPOCH);
                out.push(Do::Hint { to: (topology::CONTROL, topology::PRESENCE.to_owned()), message });
            }
            Action::Stopped => out.push(Do::Exit),
        }
    }

    fn check_trust(&self, tag: Tag, stage: &mut Stage) {
        if self.deliveries.get(&tag).is_some_and(|(_, message)| message.untrusted.is_some()) {
            stage.oracle.complain("a task was begun that does not open");
        }
    }

    fn publish(
        &mut self,
        to: (&'static str, String),
        message: Message,
        what: For,
        stage: &mut Stage,
        out: &mut Vec<Do>,
    ) {
        let token = stage.number();
        self.publishing.insert(token, what);
        out.push(Do::Publish { to, message, token });
    }

    fn delivered(
        &mut self,
        lane: Lane,
        tag: DeliveryTag,
        delivery: (Rc<str>, Rc<Message>, u32),
        stage: &mut Stage,
    ) -> Vec<Do> {
        let (key, message, returns) = delivery;
        let mut out = Vec::new();
        if lane == CONTROL {
            out.push(Do::Ack(tag));
            let event = match Cancel::from_message(&message) {
                Ok(Cancel { openings }) => Event::Cancelled(openings),
                Err(_) => Event::HeartbeatDue,
            };
            self.tell(event, stage, &mut out);
            return out;
        }
        if stage.breaks(Mutant::AckOnDelivery) {
            out.push(Do::Ack(tag));
        }
        let (workload, class) = &self.serves[lane];
        let is_served = |task: &Task| task.address.workload == *workload && task.class == *class;
        let not_served = || Reason::NotServed { what: format!("not from the queue of {workload}, {class}") };
        let task = Task::from_message(&stage.trusted(&message))
            .and_then(|task| if is_served(&task) { Ok(task) } else { Err(not_served()) });
        self.deliveries.insert(tag, (key, message));
        self.taken_at.insert(tag, stage.now);
        self.tell(Event::Delivered { lane, tag, task: task.map(Box::new), returns }, stage, &mut out);
        out
    }

    fn look_for_leases(&mut self, half: Duration, stage: &mut Stage, out: &mut Vec<Do>) {
        let now = stage.now;
        let due = self.taken_at.iter().filter(|(_, taken_at)| now.saturating_sub(**taken_at) >= half);
        for tag in due.map(|(&tag, _)| tag).collect::<Vec<_>>() {
            self.taken_at.remove(&tag);
            self.tell(Event::LeaseDue { tag }, stage, out);
        }
    }

    /// Publishes the next part, or answers when all are confirmed.
    fn go_on(&mut self, tag: Tag, stage: &mut Stage) -> Vec<Do> {
        let mut out = Vec::new();
        let Some(running) = self.running.get_mut(&tag) else { return out };
        if running.kills {
            *stage.jobs.deaths.entry(running.task.address.task.clone()).or_default() += 1;
            return vec![Do::Die];
        }
        if let Some(part) = next_part(&mut running.parts, stage) {
            let to = (topology::OUTCOMES, part.address.owner.to_string());
            self.publish(to, part.to_message(UNIX_EPOCH), For::Part(tag), stage, &mut out);
            return out;
        }
        if let Some(Running { parts, result, .. }) = self.running.remove(&tag) {
            let result = result.map(|answer| Done { answer, parts: parts.parts() });
            self.tell(Event::Worked { tag, result, micros: 1 }, stage, &mut out);
        }
        out
    }
}

/// The part to publish now. Some parts of several lines are too large for a message.
fn next_part(parts: &mut PartQueue, stage: &mut Stage) -> Option<Part> {
    let lines = |part: &Part| part.body.iter().filter(|&&byte| byte == b'\n').count();
    if lines(&parts.next()?) > 1 && stage.random.random_bool(0.2) {
        parts.too_large("the broker takes less").expect("it has a line's end in its middle");
    }
    parts.next()
}

/// Most tasks are short, and some outlast two heartbeats.
fn duration(stage: &mut Stage) -> Duration {
    match stage.random.random_range(0..100) {
        0..80 => stage.millis(1, 300),
        80..97 => stage.millis(300, 5_000),
        _ => stage.millis(5_000, 40_000),
    }
}

impl Role for ConsumerRole {
    fn start(&mut self, stage: &mut Stage) -> Vec<Do> {
        let consumer = ConsumerId::from_name(format!("{}-{}", self.name, stage.number()).as_bytes());
        let engine = Consumer::new(Config {
            consumer,
            host: self.name.clone(),
            slots: self.slots,
            serves: self.serves.clone(),
            heartbeat_millis: limits::HEARTBEAT.as_millis() as u64,
        });
        let (queue, bindings) = topology::consumer_control(engine.id());
        let mut out =
            vec![Do::Declare(topology::shared()), Do::Subscribe { lane: CONTROL, queue, bindings, prefetch: 16 }];
        for (lane, (workload, class)) in self.serves.iter().enumerate() {
            let (queue, binding) = topology::tasks(*workload, class);
            let (queues, bindings) = (vec![queue.clone()], vec![binding]);
            out.push(Do::Declare(Topology { exchanges: Vec::new(), queues, bindings: bindings.clone() }));
            let prefetch = self.slots as u16 + u16::from(*workload != Workload::Steps);
            out.push(Do::Subscribe { lane, queue, bindings, prefetch });
        }
        self.engine = Some(engine);
        out.push(Do::After(Duration::ZERO, Alarm::Tick));
        out
    }

    fn step(&mut self, input: Input, stage: &mut Stage) -> Vec<Do> {
        let mut out = Vec::new();
        match input {
            Input::Delivery { lane, tag, key, message, returns } => {
                return self.delivered(lane, tag, (key, message, returns), stage);
            }
            Input::Interrupted { lane: CONTROL } => {}
            Input::Interrupted { lane } => self.tell(Event::Interrupted { lane }, stage, &mut out),
            Input::Confirmed(token) => match self.publishing.get(&token) {
                Some(&For::Delivery(tag)) => self.tell(Event::Confirmed { tag }, stage, &mut out),
                Some(&For::Lease(tag)) => self.tell(Event::Leased { tag }, stage, &mut out),
                Some(&For::Part(tag)) => {
                    // A part's confirm that is repeated says nothing new.
                    self.publishing.remove(&token);
                    if let Some(running) = self.running.get_mut(&tag) {
                        running.parts.confirmed();
                    }
                    return self.go_on(tag, stage);
                }
                None => {}
            },
            Input::Alarm(Alarm::Work(tag)) => return self.go_on(tag, stage),
            Input::Alarm(Alarm::Tick) => {
                if let Some(patience) = stage.ack_timeout.filter(|_| !stage.breaks(Mutant::NeverLease)) {
                    self.look_for_leases(patience / 2, stage, &mut out);
                }
                self.tell(Event::HeartbeatDue, stage, &mut out);
                out.push(Do::After(limits::HEARTBEAT, Alarm::Tick));
            }
            Input::Alarm(_) | Input::Looked { .. } => {}
        }
        out
    }

    fn works_on(&self, job: &JobId) -> bool {
        self.running.values().any(|running| running.task.address.task.job == *job)
    }
}
