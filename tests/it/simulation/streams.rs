//! A pool's job with its real store, under seeded schedules: tasks are planned with credit, answered
//! in any order, answered again, left in part, answered early by consumers that go on or are lost,
//! taken, and the process is killed in between.
//!
//! What must hold: the caller hears of each task once, and of each result once; a task that has no
//! outcome is never gone from the store, also after a restart, and its bytes are as they were
//! planned; the account has each call once, and each repeat as what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use reducer::ledger::{Action, Arrived, Ledger};
use reducer::mutant::{self, Mutant};
use reducer::owner::{Config, Effect, Event, ReplyTo};
use reducer::store::{Place as StorePlace, Store};
use shared::protocol::id::{ConsumerId, JobId, OpeningId, OwnerId, PlanHash};
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, Lease, LeaseBody, Notes, Outcome, Place, PlanEnd, Planned, Task, Verdict};
use shared::protocol::payload::Payload;
use shared::protocol::workload::call::{Pack, PackBuilder, Results, ResultsBuilder, Spec};
use shared::system::clock::Moment;

/// Schedules in the ordinary tests, and seeds within which a mutant is noticed.
const SEEDS: u64 = 200;

/// Tasks that are planned and not answered, at most.
const CREDIT: usize = 12;

const STEPS: u32 = 160;

/// What the world knows of a task.
#[derive(Debug, Default)]
struct Known {
    calls: u32,
    /// As it was planned: any bytes.
    body: Option<Payload>,
    /// Hash of the plan up to it.
    plan: Option<PlanHash>,
    /// The number of results that were told early, once they were.
    early: Option<u32>,
    /// The results of its first outcome, once it is counted.
    counted: Option<u32>,
    taken: bool,
}

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    All,
    /// The call that is open in the early answer.
    Rest,
    /// A call that was open in an early answer that came too late.
    Other,
}

impl Known {
    fn asks(&self, task: &Task) -> Asks {
        let plan = self.plan.as_ref().expect("it was planned");
        match self.early {
            _ if task.address.plan == *plan => Asks::All,
            Some(open) if task.address.plan == plan.rest(&[open]) => Asks::Rest,
            _ => Asks::Other,
        }
    }

    /// The body of a task that asks for one call only.
    fn alone(&self, call: u32) -> Payload {
        let pack = Pack::parse(self.body.as_ref().expect("it was planned")).expect("it is a pack");
        Pack { budget: 0, calls: vec![pack.calls[call as usize].clone()], ..pack }.body()
    }
}

struct World {
    /// `None` while no process has the store.
    ledger: Option<Ledger>,
    path: PathBuf,
    now: Moment,
    rng: SmallRng,
    opening: OpeningId,
    hash: PlanHash,
    tasks: BTreeMap<u64, Known>,
    /// Messages of tasks that were sent: a consumer may answer each at any time, and again.
    out: Vec<Task>,
    /// Outcomes that the account must show.
    duplicates: u64,
    conflicts: u64,
    results: u64,
    /// How often the holders of leases may still be lost before a task might be given up.
    losses: u32,
}

fn job() -> JobId {
    "pool".parse().expect("an id")
}

fn spec() -> Spec {
    Spec { pool: job(), worker: "w".to_owned(), init: Payload::json("0") }
}

fn result(number: u64, call: u32, is_other: bool) -> Vec<u8> {
    format!("{number}.{call}{}", if is_other { " other" } else { "" }).into_bytes()
}

/// An answer with the results of these calls.
fn results(number: u64, calls: Range<u32>, left: u32, is_other: bool) -> Payload {
    let mut builder = ResultsBuilder::default();
    for call in calls {
        builder.push(|to| {
            to.extend(result(number, call, is_other));
            Ok(())
        });
    }
    builder.finish(0, left)
}

fn start(path: &Path, now: Moment) -> Result<(Ledger, Vec<Action>), String> {
    let owner = || "guest-pool".parse::<OwnerId>().expect("an id");
    let store = Store::open(&StorePlace::File(path.to_owned()), owner).map_err(|error| error.to_string())?;
    Ledger::new(Config::new(owner()), store, now, true).map_err(|error| error.to_string())
}

impl World {
    fn new(path: PathBuf, seed: u64) -> Result<Self, String> {
        let now = Duration::from_secs(1_700_000_000);
        let (mut ledger, _) = start(&path, now)?;
        let request = Box::new(JobRequest::new(job(), JobSpec::Call(spec())));
        let opening = "o".parse().expect("an id");
        let open = Arrived::Open { request, opening, reply: ReplyTo::Local(0) };
        ledger.turn(vec![open], now).map_err(|error| error.to_string())?;
        let opening = ledger.owner().status(&job(), now).expect("it is open").opening;
        let (tasks, out, rng) = (BTreeMap::new(), Vec::new(), SmallRng::seed_from_u64(seed));
        let (duplicates, conflicts, results, losses) = (0, 0, 0, 3);
        let hash = PlanHash::start();
        let ledger = Some(ledger);
        let mut world =
            Self { ledger, path, now, rng, opening, hash, tasks, out, duplicates, conflicts, results, losses };
        world.follow()?;
        Ok(world)
    }

    fn follow(&mut self) -> Result<(), String> {
        let opening = self.opening.clone();
        self.tell(vec![Event::Follow { job: job(), opening, streams: true }.into()])
    }

    fn tell(&mut self, arrived: Vec<Arrived>) -> Result<(), String> {
        let ledger = self.ledger.as_mut().ok_or("no process runs")?;
        let actions = ledger.turn(arrived, self.now).map_err(|error| error.to_string())?;
        self.perform(actions)
    }

    fn perform(&mut self, actions: Vec<Action>) -> Result<(), String> {
        for action in actions {
            match action {
                Action::Publish(task) => {
                    let id = &task.address.task;
                    let known = self.tasks.get(&id.number).ok_or(format!("{id} was not planned"))?;
                    let wanted = known.early.map_or_else(|| known.body.clone(), |open| Some(known.alone(open)));
                    if wanted.as_ref() != Some(&task.body) {
                        return Err(format!("of {id} {wanted:?} is wanted, and {:?} is sent", task.body));
                    }
                    self.out.push(*task);
                }
                Action::Other(Effect::Early { number, answer, .. }) => {
                    let known = self.tasks.get(&number).ok_or(format!("task {number} was not planned"))?;
                    self.told(number, 0, known.early, &answer)?;
                }
                Action::Other(Effect::Counted { number, verdict, .. }) => {
                    let known = self.tasks.get(&number).ok_or(format!("task {number} was not planned"))?;
                    let Verdict::Done(answer) = verdict else { return Err(format!("task {number} is given up")) };
                    self.told(number, known.early.unwrap_or(0), known.counted, &answer)?;
                }
                Action::Other(_) => {}
            }
        }
        Ok(())
    }

    /// The caller is told results, of which it has the first `known` already. They must be `wanted`
    /// ones, and no others than what consumers gave first.
    fn told(&self, number: u64, known: u32, wanted: Option<u32>, answer: &Payload) -> Result<(), String> {
        let results = Results::parse(answer).map_err(|reason| reason.to_string())?.results;
        let right = (0..wanted.unwrap_or(0)).map(|call| Ok(result(number, call, false).into()));
        if wanted.is_none_or(|wanted| wanted < known) || results != right.collect::<Vec<_>>() {
            return Err(format!("of task {number} {wanted:?} results are there, and it was told {results:?}"));
        }
        Ok(())
    }

    fn plan(&mut self) -> Result<(), String> {
        let number = self.tasks.len() as u64;
        let calls = self.rng.random_range(1..5);
        let mut builder = PackBuilder::default();
        for _ in 0..calls {
            let length = self.rng.random_range(0..40);
            builder.push_bytes(&(0..length).map(|_| self.rng.random()).collect::<Vec<u8>>());
        }
        let body = Some(builder.finish(0, 0));
        let (class, notes) = (spec().class(), Notes::default());
        let planned = Planned { number, class, body, items: calls, bytes: 0, notes, at: None };
        let place = Place { opening: self.opening.clone(), after: self.hash.clone() };
        self.hash = planned.hash(&self.hash);
        let (body, plan) = (planned.body.clone(), Some(self.hash.clone()));
        self.tasks.insert(number, Known { calls, body, plan, ..Known::default() });
        self.tell(vec![Arrived::Planned { job: job(), place, planned: Box::new(planned), tag: None }])
    }

    /// A consumer answers a message, which stays as if it might be delivered again. Now and then a
    /// worker gives other results than before.
    fn answer(&mut self) -> Result<(), String> {
        if self.out.is_empty() {
            return Ok(());
        }
        let place = self.rng.random_range(0..self.out.len());
        let task = self.out[place].clone();
        let number = task.address.task.number;
        let known = self.tasks.get_mut(&number).expect("it was planned");
        let asks = known.asks(&task);
        let is_other = self.rng.random_bool(0.1);
        let (first, done, left) = match known.early.filter(|_| asks != Asks::All) {
            Some(open) => (open, 1, 0),
            None if asks == Asks::Other => (0, 1, 0),
            None => {
                let done = self.rng.random_range(1..=known.calls);
                (0, done, known.calls - done)
            }
        };
        let verdict = Verdict::Done(results(number, first..first + done, left, is_other));
        match (asks, known.counted) {
            // A first answer is never the other one: it is what repeats are compared with.
            (Asks::All | Asks::Rest, None) if is_other => return Ok(()),
            // Only the rest is wanted.
            (Asks::All, None) if known.early.is_some() => self.duplicates += 1,
            (Asks::All | Asks::Rest, None) => {
                known.counted = Some(first + done);
                self.results += u64::from(first + done);
            }
            (Asks::All | Asks::Rest, Some(counted)) => {
                self.duplicates += 1;
                self.conflicts += u64::from(is_other && counted == done);
            }
            (Asks::Other, _) => {}
        }
        if self.rng.random_bool(0.7) {
            self.out.swap_remove(place);
        }
        let (host, consumer) = ("h".to_owned(), None);
        let outcome =
            Outcome { address: task.address, consumer, host, micros: 1, redelivered: false, verdict, parts: None };
        self.tell(vec![Arrived::Outcome { outcome: Box::new(outcome), tag: None }])
    }

    /// A consumer is stuck in a call of a pack: it gives the results before it, and leaves those after
    /// it.
    fn early(&mut self) -> Result<(), String> {
        if self.out.is_empty() {
            return Ok(());
        }
        let task = self.out[self.rng.random_range(0..self.out.len())].clone();
        let number = task.address.task.number;
        let known = self.tasks.get_mut(&number).expect("it was planned");
        if known.asks(&task) != Asks::All {
            return Ok(());
        }
        let open = self.rng.random_range(0..known.calls);
        if known.counted.is_none() {
            known.early.get_or_insert(open);
        }
        let mut rest = task.clone();
        (rest.address.plan, rest.body) = (task.address.plan.rest(&[open]), known.alone(open));
        self.out.push(rest);
        let answer = results(number, 0..open, known.calls - open - 1, false);
        let (holder, host) = (ConsumerId::from_name(b"c"), "h".to_owned());
        let body = LeaseBody::Early { answer, micros: 1 };
        let lease = Lease { address: task.address, holder, host, is_started: true, redelivered: false, body };
        self.tell(vec![Arrived::Lease { lease: Box::new(lease), tag: None }])
    }

    /// Whoever holds a lease is lost: what it held goes out again.
    fn lose(&mut self) -> Result<(), String> {
        if self.losses == 0 {
            return Ok(());
        }
        self.losses -= 1;
        for _ in 0..2 {
            self.now += limits::HEARTBEAT * 4;
            self.tell(vec![Event::Tick.into()])?;
        }
        Ok(())
    }

    /// The caller takes some results, and, where something is broken, what is not there yet.
    fn take(&mut self) -> Result<(), String> {
        let is_broken = self.rng.random_bool(0.05);
        let ready = self.tasks.iter().filter(|(_, known)| !known.taken && (known.counted.is_some() || is_broken));
        let ready: Vec<u64> = ready.map(|(&number, _)| number).take(self.rng.random_range(1..6)).collect();
        for number in &ready {
            let known = self.tasks.get_mut(number).expect("it was planned");
            known.taken = known.counted.is_some();
        }
        let opening = self.opening.clone();
        self.tell(vec![Event::Taken { job: job(), opening, numbers: ready }.into()])
    }

    /// The process is killed, and the next one takes the results that this one had not taken.
    fn restart(&mut self) -> Result<(), String> {
        self.ledger = None;
        let (ledger, actions) = start(&self.path, self.now)?;
        self.ledger = Some(ledger);
        self.perform(actions)?;
        self.follow()?;
        // What was released before is known to nobody any more: its repeats are not compared.
        let open: BTreeSet<u64> =
            self.tasks.iter().filter(|(_, known)| known.counted.is_none()).map(|(&number, _)| number).collect();
        self.out.retain(|task| open.contains(&task.address.task.number));
        let sent: BTreeSet<u64> = self.out.iter().map(|task| task.address.task.number).collect();
        if sent != open {
            return Err(format!("{open:?} are open, and {sent:?} were sent"));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        let open = self.tasks.values().filter(|known| known.counted.is_none()).count();
        match self.rng.random_range(0..100) {
            0..35 if open < CREDIT => self.plan(),
            0..65 => self.answer(),
            65..75 => self.early(),
            75..95 => self.take(),
            95..97 => self.lose(),
            _ => self.restart(),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        while self.tasks.values().any(|known| known.counted.is_none()) {
            if self.out.is_empty() {
                let open = self.tasks.iter().filter(|(_, known)| known.counted.is_none()).map(|(number, _)| number);
                return Err(format!("nothing is out, and not answered are {:?}", open.collect::<Vec<_>>()));
            }
            self.answer()?;
        }
        let place = Place { opening: self.opening.clone(), after: self.hash.clone() };
        let plan_end = PlanEnd { job: job(), tasks: self.tasks.len() as u64 };
        self.tell(vec![Event::PlanEnd { plan_end, place, tag: None }.into()])?;
        let opening = self.opening.clone();
        self.tell(vec![Event::Reported { job: job(), opening, sha256: "00".to_owned() }.into()])?;
        let status = self.ledger.as_ref().and_then(|ledger| ledger.owner().status(&job(), self.now));
        let counts = status.ok_or("the job is gone")?.counts;
        let found = (counts.tasks_done, counts.items_done, counts.items_planned, counts.tasks_open);
        let wanted = (self.tasks.len() as u64, self.results, self.results, 0);
        if found != wanted || (counts.duplicates, counts.conflicts) != (self.duplicates, self.conflicts) {
            return Err(format!("{wanted:?}, {} and {} repeats: {counts:?}", self.duplicates, self.conflicts));
        }
        Ok(())
    }
}

fn run(seed: u64) -> Result<(), String> {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let mut world = World::new(directory.path().join("store.sqlite"), seed)?;
    for _ in 0..STEPS {
        world.step()?;
    }
    world.finish()
}

#[test]
fn every_schedule_of_a_stream() {
    for seed in 0..SEEDS {
        run(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
}

#[test]
fn every_broken_rule_of_streams_is_noticed() {
    for broken in [Mutant::ReleaseOpen, Mutant::KeepNoEarly] {
        mutant::set(Some(broken));
        let caught = (0..SEEDS).find_map(|seed| Some((seed, run(seed).err()?)));
        mutant::set(None);
        println!("{broken:?}: {:?}", caught.expect("it is noticed"));
    }
}
