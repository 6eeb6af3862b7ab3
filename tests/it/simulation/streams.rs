//! A pool's job with its real store, under seeded schedules: tasks are planned with credit, answered
//! in any order, answered again, left in part, taken, and the process is killed in between.
//!
//! What must hold: the caller hears of each task once; a task that has no outcome is never gone from
//! the store, also after a restart, and its bytes are as they were planned; the account has each
//! call once, and each repeat as what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use reducer::ledger::{Action, Arrived, Ledger};
use reducer::mutant::{self, Mutant};
use reducer::owner::{Config, Effect, Event, ReplyTo};
use reducer::store::{Place as StorePlace, Store};
use shared::protocol::id::{JobId, OpeningId, OwnerId, PlanHash};
use shared::protocol::job::JobSpec;
use shared::protocol::message::{JobRequest, Notes, Outcome, Place, PlanEnd, Planned, Task, Verdict};
use shared::protocol::payload::Payload;
use shared::protocol::workload::call::{PackBuilder, ResultsBuilder, Spec};
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
    /// The results of its first outcome, once it is counted.
    counted: Option<u32>,
    taken: bool,
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
}

fn job() -> JobId {
    "pool".parse().expect("an id")
}

fn spec() -> Spec {
    Spec { pool: job(), worker: "w".to_owned(), init: Payload::json("0") }
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
        let (duplicates, conflicts, results) = (0, 0, 0);
        let hash = PlanHash::start();
        let mut world =
            Self { ledger: Some(ledger), path, now, rng, opening, hash, tasks, out, duplicates, conflicts, results };
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
                    let planned = self.tasks.get(&task.address.task.number).and_then(|known| known.body.as_ref());
                    if planned != Some(&task.body) {
                        return Err(format!(
                            "{} was planned as {planned:?} and sent as {:?}",
                            task.address.task, task.body
                        ));
                    }
                    self.out.push(*task);
                }
                Action::Other(Effect::Counted { number, .. }) => {
                    let known = self.tasks.get_mut(&number).ok_or(format!("task {number} was not planned"))?;
                    if known.counted.is_none() {
                        return Err(format!("task {number} is counted, and nobody has answered it"));
                    }
                }
                Action::Other(_) => {}
            }
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
        self.tasks.insert(number, Known { calls, body: planned.body.clone(), ..Known::default() });
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
        let done = self.rng.random_range(1..=known.calls);
        let is_other = self.rng.random_bool(0.1);
        let mut builder = ResultsBuilder::default();
        for call in 0..done {
            let result = format!("{number}.{call}{}", if is_other { " other" } else { "" });
            builder.push(|to| {
                to.extend_from_slice(result.as_bytes());
                Ok(())
            });
        }
        let verdict = Verdict::Done(builder.finish(0, known.calls - done));
        match known.counted {
            // A first answer is never the other one: it is what repeats are compared with.
            None if is_other => return Ok(()),
            None => {
                known.counted = Some(done);
                self.results += u64::from(done);
            }
            Some(first) => {
                self.duplicates += 1;
                self.conflicts += u64::from(is_other && first == done);
            }
        }
        if self.rng.random_bool(0.7) {
            self.out.swap_remove(place);
        }
        let (host, consumer) = ("h".to_owned(), None);
        let outcome =
            Outcome { address: task.address, consumer, host, micros: 1, redelivered: false, verdict, parts: None };
        self.tell(vec![Arrived::Outcome { outcome: Box::new(outcome), tag: None }])
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
            0..75 => self.answer(),
            75..97 => self.take(),
            _ => self.restart(),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        while self.tasks.values().any(|known| known.counted.is_none()) {
            if self.out.is_empty() {
                return Err(format!("nothing is out, and not all is answered: {:?}", self.tasks));
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
fn rows_that_leave_too_early_are_noticed() {
    mutant::set(Some(Mutant::ReleaseOpen));
    let caught = (0..SEEDS).find_map(|seed| Some((seed, run(seed).err()?)));
    mutant::set(None);
    println!("{:?}: {:?}", Mutant::ReleaseOpen, caught.expect("it is noticed"));
}
