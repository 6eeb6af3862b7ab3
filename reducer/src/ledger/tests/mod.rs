//! Tests of the ledger in virtual time: no runtime, no transport, no clock.
//!
//! - `bytes`: any bytes survive every road of a task
//! - `cancelling`: jobs that are cancelled
//! - `counting`: how an outcome, a plan and a plan end change a job's account
//! - `dead`: tasks that failed for the last time, replayed and dropped
//! - `expired`: messages that a broker policy removes from their queues
//! - `explaining`: the sentence for each state of a job or a task
//! - `leases`: tasks that take longer than the broker waits for an ack
//! - `memory`: jobs that have ended and are in the store alone
//! - `needs`: tasks that need others
//! - `opening`, `reporting`: which job a request gets; reports piece by piece
//! - `parts`, `planning`: answers in parts; plans with gaps, and walks that were begun again
//! - `restart`, `rests`, `early`: a new process on the same store; tasks with a part of an answer
//! - `sending`: windows, retries, dead letters, silent tasks
//! - `streams`: results that a caller takes as they come, and updates of workers
//! - `takeover`: answers taken over from earlier openings
//! - `stale`, `waiting`: messages of other plans; what a job waits for that a user can resolve

mod bytes;
mod cancelling;
mod counting;
mod dead;
mod derived;
mod early;
mod expired;
mod explaining;
mod leases;
mod light;
mod memory;
mod needs;
mod opening;
mod parts;
mod planning;
mod reporting;
mod restart;
mod rests;
mod sending;
mod stale;
mod streams;
mod takeover;
mod waiting;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use shared::protocol::id::{Class, ConsumerId, HeldTask, JobId, OpeningId, Origin, OwnerId, PlanHash, TaskId};
use shared::protocol::job::{Counts, JobSpec, JobState, JobStatus};
use shared::protocol::message::{
    Address, DeadLetter, Death, Failure, JobRequest, LaneState, Notes, Opened, Outcome, Place, PlanEnd, PlanFailure,
    Planned, Presence, Reply, Verdict,
};
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::protocol::workload::digest::{Algorithm, Batch, Spec};
use shared::protocol::workload::files::{Files, Item, Links, Root, Selection, Start};
use shared::system::clock::Moment;

use super::{Action, Arrived, Ledger};
use crate::owner::{Config, Effect, Event, Known, ReplyTo, Tag};
use crate::store::{Place as StorePlace, Store};

const HEX: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

/// An owner with a store in a file, so that it can be started again.
struct World {
    ledger: Option<Ledger>,
    now: Moment,
    configure: fn(&mut Config),
    path: PathBuf,
    next_tag: Tag,
    /// The hash of the plan before each task that was planned.
    hashes: BTreeMap<u64, PlanHash>,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(configure: fn(&mut Config)) -> Self {
        // Use a directory in memory if there is one: no test cuts the power, so none needs the
        // disk.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let path = directory.path().join("store.sqlite");
        let now = Duration::from_secs(1_700_000_000);
        let hashes = BTreeMap::from([(0, PlanHash::start())]);
        let mut world = Self { ledger: None, now, configure, path, next_tag: 0, hashes, _directory: directory };
        world.start(true);
        world
    }

    fn start(&mut self, is_fresh: bool) -> Vec<Action> {
        let store = Store::open(&StorePlace::File(self.path.clone()), owner).expect("the store opens");
        let mut config = Config::new(store.owner().clone());
        (self.configure)(&mut config);
        let (ledger, actions) = Ledger::new(config, store, self.now, is_fresh).expect("the store can be read");
        self.ledger = Some(ledger);
        actions
    }

    /// The process ends, and another one opens the same store.
    fn restart(&mut self, is_fresh: bool) -> Vec<Action> {
        self.ledger = None;
        self.start(is_fresh)
    }

    fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().expect("it runs")
    }

    fn opening(&self) -> OpeningId {
        self.status().opening
    }

    fn place(&self, after: PlanHash) -> Place {
        Place { opening: self.opening(), after }
    }

    fn known(&self, number: u64) -> Option<Known> {
        self.ledger().known(&id(number)).expect("the store can be read")
    }

    /// The address that a message about a sent task carries.
    fn address(&self, number: u64, attempt: u32) -> Address {
        let known = self.known(number);
        // If a part of the answer is known, the message is about the rest.
        let plan = known.map_or_else(PlanHash::start, |known| known.kept.map_or(known.plan, |kept| kept.rest));
        let workload = self.ledger().owner().spec(&job()).map_or(Workload::Digest, JobSpec::workload);
        let opening = self.opening();
        Address { task: id(number), opening, plan, attempt, owner: owner(), workload }
    }

    fn turn(&mut self, arrived: Vec<Arrived>) -> Vec<Action> {
        let now = self.now;
        let actions = self.ledger.as_mut().expect("it runs").turn(arrived, now).expect("the store takes it");
        if let Some(status) = self.status_of(&job()) {
            assert_adds_up(&status);
        }
        actions
    }

    fn event(&mut self, arrived: impl Into<Arrived>) -> Vec<Action> {
        self.turn(vec![arrived.into()])
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.event(Event::Tick)
    }

    fn tag(&mut self) -> Option<Tag> {
        self.next_tag += 1;
        Some(self.next_tag)
    }

    fn open(&mut self) -> Opened {
        opened(&self.event(open()))
    }

    fn plan(&mut self, number: u64, items: u32) -> Vec<Action> {
        self.plan_task(planned(number, items))
    }

    /// The hash of the plan before task `number`; tasks that were not planned count as tasks of one
    /// item.
    fn hash_before(&self, number: u64) -> PlanHash {
        let (&known, hash) = self.hashes.range(..=number).next_back().expect("that of the start");
        (known..number).fold(hash.clone(), |hash, number| planned(number, 1).hash(&hash))
    }

    /// Plans a task after those that were planned before.
    fn plan_task(&mut self, planned: Planned) -> Vec<Action> {
        let after = self.hash_before(planned.number);
        self.hashes.insert(planned.number + 1, planned.hash(&after));
        let (tag, place) = (self.tag(), self.place(after));
        self.event(Arrived::Planned { job: job(), place, planned: Box::new(planned), tag })
    }

    /// Opens the job, plans `tasks` tasks of one item and ends the plan; returns the tasks that
    /// were sent.
    fn open_with(&mut self, tasks: u64) -> Vec<Sent> {
        self.open();
        let mut actions = Vec::new();
        for number in 0..tasks {
            actions.extend(self.plan(number, 1));
        }
        actions.extend(self.end_plan(tasks));
        sent(&actions)
    }

    fn end_plan(&mut self, tasks: u64) -> Vec<Action> {
        let after = self.hash_before(tasks);
        let (tag, place) = (self.tag(), self.place(after));
        self.event(Event::PlanEnd { plan_end: PlanEnd { job: job(), tasks }, place, tag })
    }

    /// Ends the plan of another job, which has no tasks in the store.
    fn plan_end_of(&mut self, job: &JobId, tasks: u64) -> Vec<Action> {
        let opening = self.ledger().owner().status(job, self.now).expect("the job is known").opening;
        let (tag, place) = (self.tag(), Place { opening, after: PlanHash::start() });
        self.event(Event::PlanEnd { plan_end: PlanEnd { job: job.clone(), tasks }, place, tag })
    }

    fn answer(&mut self, number: u64, attempt: u32, verdict: Verdict) -> Vec<Action> {
        let event = self.outcome(number, attempt, verdict);
        self.event(event)
    }

    fn done(&mut self, number: u64) -> Vec<Action> {
        self.answer(number, 1, done(1))
    }

    fn outcome(&mut self, number: u64, attempt: u32, verdict: Verdict) -> Arrived {
        let (tag, address) = (self.tag(), self.address(number, attempt));
        let outcome = Outcome {
            address,
            consumer: None,
            host: "h".to_owned(),
            micros: 7,
            redelivered: false,
            verdict,
            parts: None,
        };
        Arrived::Outcome { outcome: Box::new(outcome), tag }
    }

    fn dead_letter(&mut self, number: u64, attempt: u32) -> Vec<Action> {
        self.died(number, attempt, Death::Refused)
    }

    fn died(&mut self, number: u64, attempt: u32, death: Death) -> Vec<Action> {
        let Address { opening, plan, .. } = self.address(number, attempt);
        let dead_letter = DeadLetter {
            death,
            task: id(number),
            of: Some((opening, plan)),
            reason: "unknown kind \"x\"".to_owned(),
            host: Some("h".to_owned()),
            attempt: Some(attempt),
        };
        let tag = self.tag();
        self.event(Arrived::DeadLetter { dead_letter, tag })
    }

    fn presence(&mut self, slots: u32, holds: &[u64]) -> Vec<Action> {
        self.presence_of(vec![lane(Workload::Digest, slots), lane(Workload::Words, slots)], holds)
    }

    fn presence_of(&mut self, lanes: Vec<LaneState>, holds: &[u64]) -> Vec<Action> {
        let opening = self.opening();
        self.event(Arrived::Presence(Box::new(Presence {
            consumer: ConsumerId::from_name(b"c"),
            host: "h".to_owned(),
            version: "0".to_owned(),
            lanes,
            holds: holds.iter().map(|&number| HeldTask { opening: opening.clone(), number }).collect(),
            heartbeat_millis: 10_000,
            leaving: false,
            roots: Vec::new(),
            troubles: Vec::new(),
        })))
    }

    fn report(&mut self) -> Vec<Action> {
        let opening = self.opening();
        self.event(Event::Reported { job: job(), opening, sha256: "00".to_owned() })
    }

    fn status(&self) -> JobStatus {
        self.status_of(&job()).expect("the job is known")
    }

    fn status_of(&self, job: &JobId) -> Option<JobStatus> {
        self.ledger().status(job, self.now).expect("the store can be read")
    }

    fn counts(&self) -> Counts {
        self.status().counts
    }
}

/// Checks the equations of the receipt, which hold at any moment.
fn assert_adds_up(status: &JobStatus) {
    let counts = &status.counts;
    let settled = counts.tasks_done + counts.tasks_failed + counts.tasks_cancelled;
    assert_eq!(settled + counts.tasks_open, counts.tasks_planned, "{status:?}");
    if status.state.is_over() {
        let items = counts.items_done + counts.items_failed + counts.items_cancelled;
        assert_eq!((counts.tasks_open, items), (0, counts.items_planned));
    }
}

fn job() -> JobId {
    JobId::from_name(b"job")
}

fn owner() -> OwnerId {
    OwnerId::from_name(b"main")
}

fn class() -> Class {
    Class::from_name(b"r")
}

fn lane(workload: Workload, slots: u32) -> LaneState {
    LaneState { workload, class: class(), slots, busy: 0 }
}

fn id(number: u64) -> TaskId {
    TaskId { job: job(), number }
}

fn spec() -> JobSpec {
    let root = Root { name: "r".to_owned(), class: class(), prefix: PathBytes(b"r/".to_vec()) };
    let starts = vec![Start { root: 0, file: None }];
    JobSpec::Digest(Spec {
        algorithm: Algorithm::Sha1,
        files: Selection { links: Links::Skip, roots: vec![root], starts, strict_times: false },
    })
}

fn open() -> Arrived {
    opening(job(), spec())
}

/// Task `number` of a plan. A task without items has a failure to report and nothing to do.
fn planned(number: u64, items: u32) -> Planned {
    let item = |item: u32| Item { path: PathBytes(format!("{number}-{item}").into_bytes()), size: 10, times: None };
    let (algorithm, links, root) = (Algorithm::Sha1, Links::Skip, "r".to_owned());
    let batch =
        Batch { algorithm, files: Files { links, root, items: (0..items).map(item).collect(), strict_times: false } };
    let failure = PlanFailure { name: PathBytes(b"r/x".to_vec()), reason: "no".to_owned() };
    Planned {
        number,
        class: class(),
        body: (items > 0).then(|| Payload::of(&batch)),
        items,
        bytes: u64::from(items) * 10,
        notes: Notes {
            failed: if items > 0 { Vec::new() } else { vec![failure] },
            skipped: [("fifo".to_owned(), 1)].into(),
            needs: Vec::new(),
        },
        at: None,
    }
}

fn done(items: usize) -> Verdict {
    let digests: Vec<_> = vec![HEX; items];
    Verdict::Done(Payload::of(&serde_json::json!({"digests": digests, "bytes": 10 * items})))
}

fn failed(reason: &str) -> Verdict {
    Verdict::Failed(Failure { reason: reason.to_owned(), stderr: String::new() })
}

/// A task that was published: its number and attempt.
type Sent = (u64, u32);

fn sent(actions: &[Action]) -> Vec<Sent> {
    let sent = |action: &Action| match action {
        Action::Publish(task) => Some((task.address.task.number, task.address.attempt)),
        Action::Other(_) => None,
    };
    actions.iter().filter_map(sent).collect()
}

/// The deliveries that are settled, in order.
fn settled(actions: &[Action]) -> Vec<String> {
    let settled = |action: &Action| match action {
        Action::Other(Effect::Ack(_)) => Some("ack".to_owned()),
        Action::Other(Effect::DeadLetter { reason, .. }) => Some(reason.clone()),
        _ => None,
    };
    actions.iter().filter_map(settled).collect()
}

fn opening(job: JobId, spec: JobSpec) -> Arrived {
    let opening = OpeningId::from_name(format!("{job}-1").as_bytes());
    Arrived::Open { request: Box::new(JobRequest::new(job, spec)), opening, reply: ReplyTo::Local(0) }
}

fn opened(actions: &[Action]) -> Opened {
    let opened = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => match &**reply {
            Reply::Opened(opened) => Some(opened.clone()),
            _ => None,
        },
        _ => None,
    };
    actions.iter().find_map(opened).expect("it was opened")
}

fn wants_report(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Other(Effect::Report { .. })))
}
