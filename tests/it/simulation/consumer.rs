//! A consumer: its engines, with the work on each task in virtual time. As `consumer::service` wires
//! them.

mod lanes;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use consumer::engine::{Action, Config, Consumer, Done, Event, Lane as LaneId, Tag};
use consumer::parts::PartQueue;
use consumer::work::{Compare, WorkError};
use rand::RngExt;
use shared::protocol::id::{Class, ConsumerId, JobId, RunId};
use shared::protocol::limits;
use shared::protocol::message::{Cancel, DeadLetter, Message, Part, Task, kind};
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::topology;
use shared::protocol::workload::Workload;

use super::broker::DeliveryTag;
use super::mutants::Mutant;
use super::role::{Alarm, Do, Input, Lane, Role, Stage};
use super::work::{Eyes, Sight, failed, work};
use lanes::OpenLane;

/// The lane of requests for a heartbeat; tasks have those below.
const CONTROL: Lane = Lane::MAX;

/// A consumer's process.
pub(super) struct ConsumerRole {
    name: String,
    cores: u32,
    serves: Vec<(Workload, Class)>,
    sight: Sight,
    engine: Option<Consumer>,
    lanes: BTreeMap<LaneId, OpenLane>,
    next_lane: LaneId,
    deliveries: BTreeMap<Tag, Delivery>,
    next_tag: Tag,
    running: BTreeMap<Tag, Running>,
    /// What a publish under a token was for.
    publishing: BTreeMap<u64, For>,
}

/// A delivery that is not settled.
struct Delivery {
    lane: LaneId,
    tag: DeliveryTag,
    key: Rc<str>,
    message: Rc<Message>,
}

struct Running {
    lane: LaneId,
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
    pub fn new(name: String, cores: u32, serves: Vec<(Workload, Class)>, sight: Sight) -> Self {
        Self {
            name,
            cores,
            serves,
            sight,
            engine: None,
            lanes: BTreeMap::new(),
            next_lane: 0,
            deliveries: BTreeMap::new(),
            next_tag: 0,
            running: BTreeMap::new(),
            publishing: BTreeMap::new(),
        }
    }

    fn tell(&mut self, event: Event, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(engine) = &mut self.engine else { return };
        for action in engine.step(event, stage.now) {
            self.perform(action, stage, out);
        }
    }

    fn perform(&mut self, action: Action, stage: &mut Stage, out: &mut Vec<Do>) {
        match action {
            Action::Subscribe { lane } => self.subscribe(lane, out),
            Action::Unsubscribe { lane } => self.unsubscribe(lane, stage, out),
            Action::LaneEnded { lane } => drop(self.lanes.remove(&lane)),
            Action::Start { tag, task, isolated } => self.begin(tag, *task, isolated, stage, out),
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
                    self.ack(tag, out);
                }
            }
            Action::Answer { tag, outcome } => {
                let to = (topology::OUTCOMES, outcome.address.owner.to_string());
                let message = outcome.to_message(UNIX_EPOCH);
                self.publish(to, message, For::Delivery(tag), stage, out);
                if stage.breaks(Mutant::AckBeforeConfirm) {
                    self.ack(tag, out);
                }
            }
            Action::DeadLetter { tag, reason } => {
                let Some(Delivery { key, message, .. }) = self.deliveries.get(&tag) else { return };
                if let (Reason::NotServed { .. }, Ok(task)) = (&reason, Task::from_message(message)) {
                    *stage.jobs.failures.entry(task.address.task).or_default() += 1;
                }
                let dead_letter = DeadLetter::wrap(Message::clone(message), &reason, &self.name);
                let to = (topology::DEAD, key.to_string());
                self.publish(to, dead_letter, For::Delivery(tag), stage, out);
            }
            Action::Ack { tag } => {
                self.ack(tag, out);
                self.deliveries.remove(&tag);
            }
            Action::Drop { tag } => drop(self.deliveries.remove(&tag)),
            Action::Announce(presence) => {
                let message = Message::json(kind::PRESENCE, stage.number().to_string(), &presence, UNIX_EPOCH);
                out.push(Do::Hint { to: (topology::CONTROL, topology::PRESENCE.to_owned()), message });
            }
            Action::Stopped => out.push(Do::Exit),
        }
    }

    fn ack(&self, tag: Tag, out: &mut Vec<Do>) {
        out.extend(self.deliveries.get(&tag).map(|delivery| Do::Ack(delivery.tag)));
    }

    fn begin(&mut self, tag: Tag, task: Task, isolated: bool, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(lane) = self.check_start(tag, &task, stage) else { return };
        let compare = if stage.breaks(Mutant::CompareNothing) { Compare::Nothing } else { Compare::Times };
        let work = work(&task, stage.jobs, Eyes { sight: self.sight, compare }, stage.random);
        let breaks_all = work.has_bad && stage.breaks(Mutant::BadItemFailsAll);
        let result = if breaks_all { Err(failed("one of its files cannot be read")) } else { work.result };
        let kills = work.kills && (!isolated || stage.breaks(Mutant::NeverIsolate));
        let (run, mut parts) = (format!("{}-{}", self.name, stage.number()), PartQueue::new(task.address.clone()));
        work.pieces.into_iter().for_each(|piece| parts.push(piece, || RunId::from_name(run.as_bytes())));
        self.running.insert(tag, Running { lane, task, parts, result, kills });
        let wait = if work.is_long { stage.millis(65_000, 110_000) } else { duration(stage) };
        out.push(Do::After(wait, Alarm::Work(tag)));
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
        let task = Task::from_message(&stage.trusted(&message)).map(Box::new);
        let lane = self.lane_of(lane, task.as_deref().ok(), stage);
        let delivery = Delivery { lane: lane.0, tag, key, message };
        let tag = self.next_tag;
        self.next_tag += 1;
        self.deliveries.insert(tag, delivery);
        self.tell(Event::Delivered { lane: lane.1, tag, task, returns }, stage, &mut out);
        out
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
        let patience = stage.ack_timeout.filter(|_| !stage.breaks(Mutant::NeverLease)).unwrap_or(Duration::MAX);
        let engine = Consumer::new(Config {
            consumer,
            host: self.name.clone(),
            cores: self.cores + u32::from(stage.breaks(Mutant::MoreThanCores)),
            heartbeat_millis: limits::HEARTBEAT.as_millis() as u64,
            ack_timeout: patience.saturating_mul(if stage.breaks(Mutant::LeaseLate) { 3 } else { 1 }),
        });
        let (queue, bindings) = topology::consumer_control(engine.id());
        let mut out =
            vec![Do::Declare(topology::shared()), Do::Subscribe { lane: CONTROL, queue, bindings, prefetch: 16 }];
        self.engine = Some(engine);
        (0..self.serves.len()).for_each(|served| self.open(served, stage, &mut out));
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
            Input::Interrupted { lane } => self.tell(Event::Interrupted { lane: lane as LaneId }, stage, &mut out),
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
                self.tell(Event::HeartbeatDue, stage, &mut out);
                out.push(Do::After(limits::HEARTBEAT, Alarm::Tick));
            }
            Input::Alarm(Alarm::CloseLane { lane, millis }) => self.close(lane, millis, stage, &mut out),
            Input::Alarm(Alarm::OpenLane(served)) => self.open(served, stage, &mut out),
            Input::Alarm(_) | Input::Looked { .. } => {}
        }
        out
    }

    fn works_on(&self, job: &JobId) -> bool {
        self.running.values().any(|running| running.task.address.task.job == *job)
    }
}
