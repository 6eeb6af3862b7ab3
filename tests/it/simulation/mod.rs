//! The seeded fault injector: the real engines in one thread and virtual time, around a broker that
//! loses, repeats, delays, refuses and forgets.
//!
//! A seed makes a mixture of jobs and a list of faults. When the list is over nothing goes wrong any
//! more, and the run has to come to its end: every job, with the report and the receipt that a plain
//! oracle works out. A seed that fails is printed with the command that repeats it, its list cut down
//! to what the failure needs.
//!
//! # Layout
//! - `world`: time, and what happens in it; `fate`: what faults do; `ending`: when it is over
//! - `wire`: a process's end of its connections; `network`: what goes over them
//! - `broker`: queues as RabbitMQ has them
//! - `role`: the seam between the world and what runs in it
//! - `deeds`: what people do about the jobs of a run
//! - `owner`, `consumer`, `producer`: the engines with their drivers; `operator`: somebody at a terminal;
//!   `processes`: all of them
//! - `jobs`, `work`: what there is to do, and what comes of it; `oracle`: what must come of it;
//!   `watch`: what must hold at each step
//! - `faults`: lists of faults; `shrink`: shorter ones; `schedule`: a seed's run
//! - `streams`: a pool's job beside these, whose results are taken as they come
//! - `mutants`: invariants broken on purpose, which have to be noticed

mod broker;
mod chain;
mod consumer;
mod deeds;
mod ending;
mod fate;
mod faults;
mod jobs;
mod mutants;
mod network;
mod operator;
mod oracle;
mod owner;
mod processes;
mod producer;
mod role;
mod schedule;
mod shrink;
mod streams;
mod watch;
mod wire;
mod work;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use schedule::Schedule;

/// Schedules of the ordinary tests.
const SCHEDULES: u64 = 2_000;

/// One for each core.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs seeds on every core for as long as there are some; the first failure, said in full.
fn run_all(next_seed: impl Fn() -> Option<u64> + Sync) -> Option<String> {
    let failed = AtomicU64::new(u64::MAX);
    let run = || {
        while failed.load(Ordering::Relaxed) == u64::MAX
            && let Some(seed) = next_seed()
        {
            if Schedule::new(seed).run(None).failure.is_some() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| (0..threads()).for_each(|_| drop(scope.spawn(run))));
    let seed = failed.into_inner();
    (seed != u64::MAX).then(|| shrink::explain(&Schedule::new(seed), None))
}

/// The first seeds, or as many of them as `PACKHORSE_SCHEDULES` says; with `PACKHORSE_SOAK_SECONDS` fresh
/// ones, as many as there is time for; with `PACKHORSE_SCHEDULE` the one that it names, with every step on
/// stderr. See tests/soak.
#[test]
fn every_schedule_ends_as_the_oracle_says() {
    let failure = match (std::env::var("PACKHORSE_SCHEDULE"), std::env::var("PACKHORSE_SOAK_SECONDS")) {
        (Ok(schedule), _) => replay(&schedule),
        (_, Ok(seconds)) => soak(Duration::from_secs(seconds.parse().expect("a number of seconds"))),
        _ => {
            let count = std::env::var("PACKHORSE_SCHEDULES");
            let count = count.map_or(SCHEDULES, |count| count.parse().expect("a number of schedules"));
            let seeds = AtomicU64::new(0);
            run_all(|| Some(seeds.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < count))
        }
    };
    if let Some(failure) = failure {
        panic!("{failure}");
    }
}

fn replay(schedule: &str) -> Option<String> {
    let schedule: Schedule = schedule.parse().expect("SEED or SEED:FAULT,FAULT,...");
    let run = schedule.run_traced();
    eprintln!("{}", run.trace.join("\n"));
    run.failure.map(|failure| schedule.line(&failure))
}

fn soak(time: Duration) -> Option<String> {
    let (first, end) = (shared::system::random::seed() >> 16, Instant::now() + time);
    let count = AtomicU64::new(0);
    let failure = run_all(|| (Instant::now() < end).then(|| first + count.fetch_add(1, Ordering::Relaxed)));
    println!("{} schedules, from seed {first} on", count.load(Ordering::Relaxed));
    failure
}

#[test]
fn a_seed_repeats_its_schedule_to_the_last_step() {
    for seed in 0..8 {
        let (once, again) = (Schedule::new(seed).run(None), Schedule::new(seed).run(None));
        assert_eq!((once.steps, once.fingerprint), (again.steps, again.fingerprint), "seed {seed}");
    }
}
