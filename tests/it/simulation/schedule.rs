//! A schedule: a seed, with all of its faults or some of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use super::broker::{Broker, Policy};
use super::deeds::Flavour;
use super::faults::{self, Planned};
use super::jobs::{Jobs, Runner};
use super::mutants::Mutant;
use super::oracle::Oracle;
use super::processes::{Kind, Process, served};
use super::work::Sight;
use super::world::{World, seeded};

/// What is run.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    pub seed: u64,
    /// Which of the seed's faults happen; all of them if `None`.
    pub kept: Option<Vec<usize>>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Run {
    pub failure: Option<String>,
    pub steps: u64,
    pub fingerprint: u64,
    pub trace: Vec<String>,
    /// The faults that happened.
    pub faults: Vec<Planned>,
}

impl FromStr for Schedule {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seed, kept) = text.split_once(':').map_or((text, None), |(seed, kept)| (seed, Some(kept)));
        let kept = kept.map(|kept| kept.split(',').filter(|n| !n.is_empty()).map(str::parse).collect()).transpose()?;
        Ok(Self { seed: seed.parse()?, kept })
    }
}

impl Schedule {
    pub fn new(seed: u64) -> Self {
        Self { seed, kept: None }
    }

    /// The same with these faults alone.
    pub fn with(&self, kept: &[usize]) -> Self {
        Self { kept: Some(kept.to_vec()), ..self.clone() }
    }

    /// What failed, on one line that says how to see it again.
    pub fn line(&self, failure: &str) -> String {
        let kept = self.kept.as_ref().map(|kept| kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
        let text = kept.map_or_else(|| self.seed.to_string(), |kept| format!("{}:{kept}", self.seed));
        format!("schedule {text}: {failure}; again: tests/soak replay {text}")
    }

    pub fn run(&self, mutant: Option<Mutant>) -> Run {
        self.run_with(mutant, false)
    }

    pub fn run_traced(&self) -> Run {
        self.run_with(None, true)
    }

    fn run_with(&self, mutant: Option<Mutant>, traced: bool) -> Run {
        let mut random = seeded(self.seed);
        let changing = random.random_range(0..5) < 2;
        let steps = random.random_range(200..1_500);
        let none = Flavour { cancels: false, long: false, kills: false, replays: false };
        let flavour = if changing { none } else { Flavour::new(&mut random) };
        let mut faults = faults::plan(&mut random, steps, changing, flavour.long);
        // Then consumers look at what is there.
        let copies = changing && random.random_bool(0.6);
        let calm = copies && random.random_bool(0.3);
        if calm {
            faults.retain(|planned| planned.fault.is_of_a_tree());
        }
        if let Some(kept) = &self.kept {
            faults = kept.iter().filter_map(|&index| faults.get(index).copied()).collect();
        }
        // In memory where there is such a place: no test cuts the power, so none needs the disk.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let mut jobs = Jobs::new(&mut random, changing, flavour);
        jobs.has_copies = copies;
        let policy = Policy {
            delivery_limit: [2, 5, 20].choose(&mut random).copied().unwrap_or(20),
            messages_max: [4, 20, 1_000].choose(&mut random).copied().unwrap_or(1_000),
            ack_timeout: flavour.long.then_some(Duration::from_secs(60)),
        };
        let window = random.random_range(2..10);
        let mut processes = vec![Process::new("owner".to_owned(), Kind::Owner, directory.path(), window)];
        let mut sights = Vec::new();
        for number in 0..random.random_range(1..=3) {
            let sight = sight(&mut random, copies);
            sights.push(sight);
            let kind = consumer(random.random_range(1..=3), sight);
            processes.push(Process::new(format!("consumer-{number}"), kind, directory.path(), window));
        }
        // One lags at most, and another one is always there and asked next.
        let lagging = sights.iter().filter(|sight| **sight == Sight::First).count();
        jobs.has_whole = calm && lagging <= 1 && sights.contains(&Sight::Now);
        processes.extend(around(&jobs, directory.path(), window));
        let mut world = World {
            now: Duration::from_secs(1_700_000_000),
            steps: 0,
            queue: Default::default(),
            random,
            numbers: 0,
            broker: Broker::new(policy),
            jobs,
            oracle: Oracle::default(),
            processes,
            ghosts: Default::default(),
            armed: Default::default(),
            watch: Default::default(),
            mutant,
            trace: traced.then(Vec::new),
            fingerprint: 0,
        };
        reducer::mutant::set(match mutant {
            Some(Mutant::Engine(mutant)) => Some(mutant),
            _ => None,
        });
        // A panic is a failure as others are.
        let run = catch_unwind(AssertUnwindSafe(|| world.run(&faults, steps)));
        reducer::mutant::set(None);
        if let Err(panic) = run {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            world.oracle.complain(format!("it panicked: {}", said.unwrap_or("without a word")));
        }
        let (steps, fingerprint) = (world.steps, world.fingerprint);
        let failure = world.oracle.complaint().map(str::to_owned);
        Run { failure, steps, fingerprint, trace: world.trace.take().unwrap_or_default(), faults }
    }
}

/// One that does all.
fn consumer(cores: u32, sight: Sight) -> Kind {
    Kind::Consumer { cores, serves: served(), sight }
}

fn sight(random: &mut SmallRng, copies: bool) -> Sight {
    match random.random_range(0..3) {
        _ if !copies => Sight::Planned,
        0 => Sight::First,
        _ => Sight::Now,
    }
}

/// Who submits jobs, and who does something about them.
fn around(jobs: &Jobs, directory: &Path, window: usize) -> Vec<Process> {
    let mut processes = Vec::new();
    for job in &jobs.all {
        let id = job.id.clone();
        let (name, kind) = match job.runner {
            Runner::Producer { .. } => (format!("producer of {id}"), Kind::Producer { job: id }),
            Runner::Rider => (format!("rider of {id}"), Kind::Producer { job: id }),
            Runner::Command => (id.to_string(), Kind::Command { job: id }),
        };
        processes.push(Process::new(name, kind, directory, window));
    }
    for (number, (job, deed)) in jobs.deeds.iter().cloned().enumerate() {
        let kind = Kind::Operator { job, deed };
        processes.push(Process::new(format!("operator-{number}"), kind, directory, window));
    }
    processes
}
