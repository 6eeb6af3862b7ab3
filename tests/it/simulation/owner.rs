//! An owner: the ledger with its real store, wired as `reducer::service` wires it. A reducer service,
//! or a command that plans and owns its one job.

mod broken;
mod command;
mod turn;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rand::RngExt;
use reducer::ledger::{Action, Arrived, Ledger};
use reducer::owner::{Config, Effect, Event, ReplyTo, Tag};
use reducer::report::{Format, Render, Side};
use reducer::service::read;
use reducer::store::{Place, Reader, Store};
use shared::protocol::id::{JobId, OpeningId, OwnerId};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{Address, Cancel, DeadLetter, Message, Presence, Reply, Request, kind};
use shared::protocol::topology::{self, Topology};
use shared::system::clock::Moment;

use self::broken::Holders;
use self::command::Client;
use super::broker::DeliveryTag;

use super::mutants::Mutant;
use super::oracle::Seen;
use super::role::{Alarm, Do, Input, Lane, Role, Stage};

/// Outcomes, plans, dead letters.
pub(super) const OWN: Lane = 0;
/// Requests and heartbeats.
const CONTROL: Lane = 1;

/// What an owner is told.
#[derive(Debug, Clone)]
pub(super) struct OwnerSetup {
    pub owner: OwnerId,
    pub path: PathBuf,
    pub window: usize,
    /// The job of a command; a service has none of its own.
    pub command: Option<JobId>,
}

/// An owner's process.
pub(super) struct OwnerRole {
    setup: OwnerSetup,
    ledger: Option<Ledger>,
    /// What is for the next turn, and the same as it came, whatever is broken on purpose.
    inbox: Vec<(Arrived, Option<Seen>)>,
    turning: bool,
    /// Deliveries that it dead-letters, by the token under which they are published.
    dead_lettering: BTreeMap<u64, DeliveryTag>,
    /// What submits a command's job.
    client: Option<Client>,
    /// The tasks of each opening that this process has sent and that have no outcome.
    out: BTreeMap<OpeningId, (JobId, BTreeSet<u64>)>,
    holders: Holders,
    seed: u64,
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Removes a store.
pub(super) fn lose_store(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        // What is not there is lost already.
        let _ = fs::remove_file(beside(path, ending));
    }
}

impl OwnerRole {
    pub fn new(setup: OwnerSetup, seed: u64) -> Self {
        Self {
            setup,
            ledger: None,
            inbox: Vec::new(),
            turning: false,
            dead_lettering: BTreeMap::new(),
            client: None,
            out: BTreeMap::new(),
            holders: Holders::default(),
            seed,
        }
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().expect("it was started")
    }

    /// For the next turn, which takes what gathers until then.
    fn tell(&mut self, arrived: impl Into<Arrived>, stage: &mut Stage, out: &mut Vec<Do>) {
        let arrived = arrived.into();
        let seen = Seen::of(&arrived);
        self.take(arrived, seen, stage, out);
    }

    fn take(&mut self, arrived: Arrived, seen: Option<Seen>, stage: &mut Stage, out: &mut Vec<Do>) {
        self.holders.note(&arrived);
        self.inbox.push((arrived, seen));
        if !self.turning {
            self.turning = true;
            out.push(Do::After(stage.millis(0, 3), Alarm::Turn));
        }
    }

    fn own(&mut self, tag: DeliveryTag, key: &str, message: &Message, stage: &mut Stage, out: &mut Vec<Do>) {
        if stage.breaks(Mutant::AckBeforeCommit) {
            out.push(Do::Ack(tag));
        }
        let exchange = topology::exchange_of(key, &self.setup.owner);
        if exchange == topology::DEAD {
            return match DeadLetter::read(&stage.trusted(message), &self.setup.owner) {
                Some(dead_letter) => self.tell(Arrived::DeadLetter { dead_letter, tag: Some(tag) }, stage, out),
                None => out.push(Do::Ack(tag)),
            };
        }
        match read(&stage.trusted(message), exchange, tag) {
            Ok(mut arrived) => {
                if message.untrusted.is_some() {
                    stage.oracle.complain(format!("{} counts, which does not open", message.id));
                }
                let seen = Seen::of(&arrived);
                self.break_arrived(&mut arrived, stage);
                self.take(arrived, seen, stage, out);
            }
            Err(reason) => self.dead_letter(tag, message, reason.to_string(), stage, out),
        }
    }

    /// What owners would do that did not look at these.
    fn break_arrived(&mut self, arrived: &mut Arrived, stage: &Stage) {
        let mixed = || "mixed".parse().expect("it is an id");
        match arrived {
            Arrived::Part { part, .. } if stage.breaks(Mutant::MixRuns) => part.run = mixed(),
            Arrived::Outcome { outcome, .. } if stage.breaks(Mutant::MixRuns) => {
                if let Some(parts) = &mut outcome.parts {
                    parts.run = mixed();
                }
            }
            _ => {}
        }
    }

    fn dead_letter(&mut self, tag: Tag, message: &Message, reason: String, stage: &mut Stage, out: &mut Vec<Do>) {
        if message.untrusted.is_none() {
            stage.oracle.dead_lettered(&message.id, &reason);
        }
        let token = stage.number();
        self.dead_lettering.insert(token, tag);
        let dead_letter = DeadLetter::wrap(message.clone(), reason, self.setup.owner.as_str());
        out.push(Do::Publish { to: (topology::DEAD, "refused".to_owned()), message: dead_letter, token });
    }

    fn control(&mut self, message: &Message, stage: &mut Stage, out: &mut Vec<Do>) {
        if message.kind == kind::PRESENCE {
            let presence: Presence = message.parse().expect("a consumer of this run wrote it");
            return self.tell(Arrived::Presence(Box::new(presence)), stage, out);
        }
        let request: Request = message.parse().expect("somebody of this run wrote it");
        let Some(key) = message.reply_to.clone() else { return };
        let reply = ReplyTo::Remote { key: key.to_string(), correlation: message.id.to_string() };
        match request {
            Request::Open(request) => {
                out.push(declare_classes(&request.spec));
                self.tell(Arrived::Open { request, opening: stage.opening(), reply }, stage, out);
            }
            Request::Status { job } => self.tell(Event::Status { job, reply }, stage, out),
            Request::Cancel { job, opening } => {
                self.tell(Event::Cancel { job, opening: Some(opening), reply }, stage, out);
            }
            Request::ForgetJob { job, opening } => {
                self.tell(Event::ForgetJob { job, opening: Some(opening), reply: Some(reply) }, stage, out);
            }
            Request::Replay { filter, openings } => {
                self.tell(Arrived::Replay { filter, openings: Some(openings), reply }, stage, out);
            }
            Request::Forget { filter, openings } => {
                self.tell(Arrived::Forget { filter, openings: Some(openings), reply }, stage, out);
            }
            // Nobody here asks for more.
            _ => {}
        }
    }

    fn perform(&mut self, actions: Vec<Action>, stage: &mut Stage, out: &mut Vec<Do>) {
        self.forget_answered();
        for action in actions {
            match action {
                Action::Publish(task) => {
                    if stage.breaks(Mutant::NeverResend) && task.address.attempt > 1 {
                        continue;
                    }
                    self.check_window(&task.address, stage);
                    self.tell_rest(&task.address, stage);
                    let address = &task.address;
                    let key = topology::task_key(address.workload, &task.class, &address.owner);
                    let message = task.to_message(UNIX_EPOCH);
                    out.push(Do::Publish { to: (topology::TASKS, key), message, token: stage.number() });
                }
                Action::Other(effect) => self.effect(effect, stage, out),
            }
        }
    }

    /// Tells the oracle whether the rest of a task is asked for, and not the whole.
    fn tell_rest(&mut self, address: &Address, stage: &mut Stage) {
        let known = self.ledger().known(&address.task).expect("it can be read");
        if let Some(known) = known.filter(|known| known.is_rest(&address.plan)) {
            stage.oracle.sent_rest(address.plan.clone(), known.plan);
        }
    }

    fn effect(&mut self, effect: Effect, stage: &mut Stage, out: &mut Vec<Do>) {
        match effect {
            Effect::Ack(tag) => out.push(Do::Ack(tag)),
            Effect::DeadLetter { tag, reason } => {
                let message = Message { id: format!("delivery {tag}").into(), ..Message::default() };
                self.dead_letter(tag, &message, reason, stage, out);
            }
            Effect::Reply { to: ReplyTo::Remote { key, correlation }, reply } => {
                self.check_reply(&reply, stage);
                let mut message = Message::json(kind::REPLY, stage.number().to_string(), &reply, UNIX_EPOCH);
                message.correlation = Some(correlation.into());
                out.push(Do::Hint { to: (topology::CONTROL, key), message });
            }
            Effect::Reply { to: ReplyTo::Local(_), reply } => self.replied(*reply, stage, out),
            Effect::Declare { workload, class } => {
                let (queue, binding) = topology::tasks_of(workload, &class, &self.setup.owner);
                let (queues, bindings) = (vec![queue], vec![binding]);
                out.push(Do::Declare(Topology { exchanges: Vec::new(), queues, bindings }));
            }
            Effect::Probe { workload, class } => {
                if !stage.breaks(Mutant::NeverProbe) {
                    out.push(Do::Look { workload, class });
                }
            }
            Effect::Report { job, .. } => out.push(Do::After(stage.millis(1, 40), Alarm::Report(job))),
            Effect::Finished { job, .. } => {
                let (path, now) = (self.setup.path.clone(), stage.now);
                if let Some(status) = self.status(&job, now) {
                    stage.oracle.finished(stage.jobs, &path, status);
                }
                if self.setup.command.as_ref() == Some(&job) {
                    out.push(Do::Exit);
                }
            }
            Effect::Recall { openings } => {
                let message = Cancel { openings }.to_message(stage.number().to_string(), UNIX_EPOCH);
                out.push(Do::Hint { to: (topology::CONTROL, topology::ALL_CONSUMERS.to_owned()), message });
            }
            // No job of the simulation is streamed or announced.
            Effect::Counted { .. } | Effect::Early { .. } | Effect::Served { .. } | Effect::Announce(_) => {}
            Effect::Advanced { .. } | Effect::Followed { .. } | Effect::Send { .. } => {}
        }
    }

    /// Whoever hears that a job is cancelled may rely on it: it is in the store.
    fn check_reply(&self, reply: &Reply, stage: &mut Stage) {
        if let Reply::Status(status) = reply
            && status.state == JobState::Cancelled
            && !Reader::open(&self.setup.path).and_then(|reader| reader.is_cancelled(&status.job)).unwrap_or(false)
        {
            stage.oracle.complain(format!("job {} is said to be cancelled, and is not in the store", status.job));
        }
    }

    /// What the store says that a job came to.
    fn report(&mut self, job: JobId, stage: &mut Stage, out: &mut Vec<Do>) {
        // It may have begun anew since its report was asked for.
        let status = self.status(&job, stage.now).filter(|status| status.state != JobState::Planning);
        let Some(opening) = status.map(|status| status.opening) else { return };
        let (mut text, mut frequencies) = (Vec::new(), Vec::new());
        let mut render = Render::new(&self.setup.path, &job, Format::Text).expect("the job is in the store");
        render.write_up_to(u64::MAX, &mut text, &mut |_| {}).expect("it is complete");
        if let Some(side) = Side::of(render.spec()) {
            side.write(&self.setup.path, &job, None, &mut frequencies).expect("it is complete");
        }
        stage.oracle.reported(&job, text, frequencies);
        self.tell(Event::Reported { job, opening, sha256: render.sha256() }, stage, out);
    }
}

fn declare_classes(spec: &JobSpec) -> Do {
    let classes = spec.classes();
    let (queues, bindings) = classes.iter().map(|class| topology::tasks(spec.workload(), class)).unzip();
    Do::Declare(Topology { exchanges: Vec::new(), queues, bindings })
}

impl Role for OwnerRole {
    fn start(&mut self, stage: &mut Stage) -> Vec<Do> {
        let owner = self.setup.owner.clone();
        let started = Store::open(&Place::File(self.setup.path.clone()), || owner).and_then(|store| {
            let mut config = Config::new(store.owner().clone());
            config.window_min = self.setup.window;
            config.window_per_slot = 0;
            if stage.breaks(Mutant::NoWindow) {
                config.window_min = usize::MAX;
            }
            // Some forget a job as soon as it has ended.
            config.ended_kept = stage.random.random_range(0..3);
            config.seed = self.seed + stage.number();
            config.dispatches_on_open = self.setup.command.is_some();
            Ledger::new(config, store, stage.now, self.setup.command.is_some())
        });
        let (ledger, actions) = match started {
            Ok(started) => started,
            Err(error) => {
                stage.oracle.complain(format!("the store does not open: {error}"));
                return vec![Do::Die];
            }
        };
        let (queue, bindings) = match &self.setup.command {
            Some(_) => topology::command_owner(&self.setup.owner),
            None => topology::service_owner(&self.setup.owner),
        };
        let mut out = vec![
            Do::Declare(topology::shared()),
            Do::Subscribe { lane: OWN, queue, bindings, prefetch: limits::OWNER_PREFETCH },
        ];
        let (queue, bindings) = topology::owner_control(&self.setup.owner);
        out.push(Do::Subscribe { lane: CONTROL, queue, bindings, prefetch: limits::OWNER_PREFETCH });
        out.extend(ledger.owner().open_specs().map(declare_classes));
        self.ledger = Some(ledger);
        self.perform(actions, stage, &mut out);
        let call = Message::json(kind::REQUEST, stage.number().to_string(), &Request::Ping, UNIX_EPOCH);
        out.push(Do::Hint { to: (topology::CONTROL, topology::ALL_CONSUMERS.to_owned()), message: call });
        out.push(Do::After(limits::OWNER_TICK, Alarm::Tick));
        if let Some(job) = self.setup.command.as_ref().and_then(|job| stage.jobs.job(job)) {
            out.push(declare_classes(&job.spec));
            self.client = Some(Client::new(job));
            out.push(Do::After(Duration::ZERO, Alarm::Look));
        }
        out
    }

    fn step(&mut self, input: Input, stage: &mut Stage) -> Vec<Do> {
        let mut out = Vec::new();
        match input {
            Input::Delivery { lane: OWN, tag, key, message, .. } => self.own(tag, &key, &message, stage, &mut out),
            Input::Delivery { tag, message, .. } => {
                self.control(&message, stage, &mut out);
                out.push(Do::Ack(tag));
            }
            Input::Interrupted { lane: OWN } if self.setup.command.is_some() => {
                self.tell(Event::Interrupted, stage, &mut out)
            }
            Input::Interrupted { .. } => {}
            Input::Confirmed(token) => out.extend(self.dead_lettering.remove(&token).map(Do::Ack)),
            Input::Looked { workload, class, ready } => {
                self.tell(Event::QueueState { workload, class, ready }, stage, &mut out);
            }
            Input::Alarm(Alarm::Turn) => return self.turn(stage),
            Input::Alarm(Alarm::Report(job)) => self.report(job, stage, &mut out),
            Input::Alarm(Alarm::Plan) => self.go_on_planning(stage, &mut out),
            Input::Alarm(Alarm::Look) => self.look(stage, &mut out),
            Input::Alarm(Alarm::Tick) => {
                if stage.breaks(Mutant::LeaseForEver) {
                    for presence in self.holders.heartbeats() {
                        self.take(Arrived::Presence(Box::new(presence)), None, stage, &mut out);
                    }
                }
                self.tell(Event::Tick, stage, &mut out);
                let wait = limits::OWNER_TICK * stage.random.random_range(1..=8);
                out.push(Do::After(wait, Alarm::Tick));
            }
            Input::Alarm(_) => {}
        }
        out
    }

    /// How a job stands, in memory or not.
    fn status(&self, job: &JobId, now: Moment) -> Option<JobStatus> {
        self.ledger.as_ref()?.status(job, now).expect("it can be read")
    }
}
