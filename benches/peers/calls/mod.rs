//! Calls of a pool: how many a second, how long one takes, and whether all are counted.
//!
//! Contestants are processes that measure for themselves, from the first call to the sum of all
//! results, once their workers run: nobody's start counts.
//!
//! # Layout
//! - `bare`: publish, consume and reply with the client library alone
//! - `pool`: the example `pool`
//! - `python`: programs of other tools, which are the files `*.py`

mod bare;
mod pool;
mod python;

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use self::pool::Example;
use self::python::Python;
use crate::Settings;
use crate::measure::{Figures, run_said, turns};
use crate::node::Node;
use crate::row::Row;

pub const NOTE: &str = "A function returns its integer argument in 2 workers, and the caller adds up all results.";

pub const NOTE_RABBIT: &str = "A function returns its integer argument in 2 worker processes of 1 slot, and the \
    caller adds up all results. Packhorse commits each call to the owner's store and has each message confirmed. \
    Celery goes over the same RabbitMQ, with acks_late, transient messages, a prefetch of 128 and results over \
    rpc://; its messages are not confirmed. Dask and HyperQueue have servers of their own, which keep their account \
    in memory. HyperQueue starts a Python process for each task and brings no return value back: the tasks print, \
    and the caller reads their files.";

pub const NOTE_KILLED: &str = "One of two consumers is killed with SIGKILL while it works on calls, and another is \
    started.";

pub const NOTE_LATENCY: &str = "2,000 calls a round, each begun after the result of the call before; p50 and p99 of \
    each round. Bare: lapin alone publishes to a durable classic queue, consumes, replies to an exclusive queue, and \
    acks after the reply's confirm; messages have delivery mode 1, and all are confirmed. Both ends of the bare one \
    are in one process, on two connections; the pool and its consumer are two processes.";

/// Who is measured, and on how many calls.
struct Contestant<'a> {
    name: String,
    /// Calls a second.
    run: Box<dyn Fn() -> f64 + 'a>,
    /// The least that it has to reach.
    target: Option<f64>,
    /// The one of ours that it is compared with.
    against: Option<usize>,
}

pub fn embedded(settings: &Settings) -> Vec<Row> {
    let (example, python) = (Example::built(), Python::chosen());
    let automatic = settings.scaled(1_000_000).to_string();
    let single = settings.scaled(200_000).to_string();
    let mut contestants = vec![
        ours("packed automatically", &automatic, 200_000.0, settings, {
            let (example, calls) = (&example, &automatic);
            move || example.command(&["-j", "2", "--calls", calls])
        }),
        ours("packs of 1", &single, 100_000.0, settings, {
            let (example, calls) = (&example, &single);
            move || example.command(&["-j", "2", "--calls", calls, "--pack", "1"])
        }),
    ];
    let pools = [("chunksize=1", 100_000, 1, 1), ("chunksize=100", 2_000_000, 100, 0)];
    if let Some(version) = python.version() {
        for (name, calls, chunk, against) in pools {
            let name = format!("Python {version}, multiprocessing.Pool.imap_unordered, {name}");
            let run = peer(settings, &python, "multiprocessing_calls.py", calls, chunk, None);
            contestants.push(theirs(name, settings.scaled(calls), run, against));
        }
    }
    contest(settings, &contestants)
}

pub fn rabbit(settings: &Settings) -> Vec<Row> {
    let (example, node, python) = (Example::built(), Node::start(), Python::chosen());
    let calls = settings.scaled(500_000).to_string();
    let measured = {
        let (example, node, calls) = (&example, &node, &calls);
        move || {
            let _consumers = [(); 2].map(|()| example.consumer(node));
            let command = node.known_to(example.command(&["--workers", "2", "--calls", calls]));
            calls_per_second(&run_said(command, &settings.out(0)))
        }
    };
    let mut contestants = vec![Contestant {
        name: format!("packhorse, packed automatically, {calls} calls"),
        run: Box::new(measured),
        target: Some(50_000.0),
        against: None,
    }];
    // Package, program, how it is said, calls at full size, calls a task.
    let peers = [
        ("celery", "celery_calls.py", "a group of one task a call", 5_000, 1),
        ("celery", "celery_calls.py", "chunks of 100 calls", 200_000, 100),
        ("distributed", "dask_calls.py", "one task a call", 5_000, 1),
        ("distributed", "dask_calls.py", "tasks of 100 calls", 100_000, 100),
        ("hyperqueue", "hyperqueue_calls.py", "one task a call", 100, 1),
        ("hyperqueue", "hyperqueue_calls.py", "tasks of 100 calls", 5_000, 100),
    ];
    for (package, program, said, calls, chunk) in peers {
        let Some(version) = python.version_of(package) else { continue };
        let workers = (package == "celery").then_some(&node);
        let run = peer(settings, &python, program, calls, chunk, workers);
        contestants.push(theirs(format!("{package} {version}, {said}"), settings.scaled(calls), run, 0));
    }
    contest(settings, &contestants)
}

pub fn killed(settings: &Settings) -> Vec<Row> {
    let (example, node) = (Example::built(), Node::start());
    let calls = settings.scaled(5_000_000);
    let out = settings.out(0);
    let (victim, _other) = (example.consumer(&node), example.consumer(&node));
    let mut command = node.known_to(example.command(&["--workers", "2", "--calls", &calls.to_string()]));
    command.stdin(Stdio::null()).stdout(File::create(&out).expect("a file for output")).stderr(Stdio::null());
    let begun = Instant::now();
    let mut caller = command.spawn().expect("it runs");
    // Only calls make a consumer use this much: it starts within some 20 ms.
    let work = 0.1 + 0.4 * settings.scale.min(1.0);
    while victim.cpu_seconds() < work {
        let is_over = caller.try_wait().expect("it is a child").is_some();
        assert!(!is_over, "all calls were done before a consumer was killed: there have to be more of them");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(victim);
    let killed = begun.elapsed().as_secs_f64();
    let _successor = example.consumer(&node);
    // It fails if the sum of the results is wrong, too.
    let is_right = caller.wait().expect("it is a child").success();
    let whole = begun.elapsed().as_secs_f64();
    let said = std::fs::read_to_string(&out).expect("it was written");
    let account = said.lines().next().unwrap_or("nothing was printed");
    let is_counted = is_right && account.starts_with(&format!("{calls} calls in "));
    let name = format!("packhorse, {calls} calls, a consumer killed {killed:.1} s after the start of {whole:.1} s");
    let rate = Figures::new(vec![calls_per_second(&said)]);
    vec![
        Row::fact(&name, account, &format!("all {calls}, and the right sum"), is_counted),
        Row::calls_per_second("the same", &rate, None),
    ]
}

pub fn latency(settings: &Settings) -> Vec<Row> {
    let (example, node) = (Example::built(), Node::start());
    let calls = settings.scaled(2_000);
    let ours = || {
        let _consumer = example.consumer(&node);
        let command = node.known_to(example.command(&["--latency", &calls.to_string()]));
        percentiles(&run_said(command, &settings.out(0)))
    };
    let bare = || bare::latency(&node.url, calls);
    let found = turns(settings.rounds, &[&ours, &bare]);
    let figures = |contestant: usize, percentile: usize| {
        Figures::new(found[contestant].iter().map(|percentiles| percentiles[percentile]).collect())
    };
    let (p50, p99, bare_p50, bare_p99) = (figures(0, 0), figures(0, 1), figures(1, 0), figures(1, 1));
    vec![
        Row::millis("packhorse, pool.apply, p50", &p50, Some(2.0)),
        Row::millis("packhorse, pool.apply, p99", &p99, Some(10.0)),
        Row::millis("bare lapin, p50", &bare_p50, None),
        Row::millis("bare lapin, p99", &bare_p99, None),
        Row::ratio("packhorse / bare, p50", &p50, &bare_p50, Some(4.0)),
        Row::ratio("packhorse / bare, p99", &p99, &bare_p99, None),
    ]
}

fn contest(settings: &Settings, contestants: &[Contestant<'_>]) -> Vec<Row> {
    let runs: Vec<&dyn Fn() -> f64> = contestants.iter().map(|contestant| &*contestant.run).collect();
    let figures: Vec<Figures> = turns(settings.rounds, &runs).into_iter().map(Figures::new).collect();
    let mut rows = Vec::new();
    for (contestant, rate) in contestants.iter().zip(&figures) {
        rows.push(Row::calls_per_second(&contestant.name, rate, contestant.target));
        if let Some(ours) = contestant.against {
            let name = contestants[ours].name.rsplit_once(", ").map_or("packhorse", |(name, _)| name);
            rows.push(Row::ratio(&format!("{name} / that"), &figures[ours], rate, None));
        }
    }
    rows
}

/// The example in one process.
fn ours<'a>(
    name: &str,
    calls: &str,
    target: f64,
    settings: &'a Settings,
    command: impl Fn() -> std::process::Command + 'a,
) -> Contestant<'a> {
    Contestant {
        name: format!("packhorse, {name}, {calls} calls"),
        run: Box::new(move || calls_per_second(&run_said(command(), &settings.out(0)))),
        target: Some(target),
        against: None,
    }
}

fn theirs<'a>(name: String, calls: u64, run: Box<dyn Fn() -> f64 + 'a>, against: usize) -> Contestant<'a> {
    Contestant { name: format!("{name}, {calls} calls"), run, target: None, against: Some(against) }
}

/// A program in Python; with the node that it has workers at, if these are processes of their own.
fn peer<'a>(
    settings: &'a Settings,
    python: &'a Python,
    program: &'static str,
    calls: u64,
    chunk: u32,
    workers: Option<&'a Node>,
) -> Box<dyn Fn() -> f64 + 'a> {
    let arguments = [settings.scaled(calls).to_string(), chunk.to_string()];
    Box::new(move || {
        let _workers = workers.map(|node| [1, 2].map(|number| python.celery_worker(node, number)));
        let mut command = python.command();
        command.arg(program).args(&arguments).envs(workers.map(|node| ("AMQP_URL", &node.url)));
        calls_per_second(&run_said(command, &settings.out(1)))
    })
}

/// From a line `R calls per second`.
fn calls_per_second(said: &str) -> f64 {
    let rate = said.lines().find_map(|line| line.strip_suffix(" calls per second")?.parse().ok());
    rate.unwrap_or_else(|| panic!("no rate in {said:?}"))
}

/// From a line `p50 X us, p99 Y us`, in milliseconds.
fn percentiles(said: &str) -> [f64; 2] {
    let found = said.lines().find_map(|line| {
        let (p50, p99) = line.strip_prefix("p50 ")?.strip_suffix(" us")?.split_once(" us, p99 ")?;
        Some([p50.parse::<f64>().ok()? / 1_000.0, p99.parse::<f64>().ok()? / 1_000.0])
    });
    found.unwrap_or_else(|| panic!("no percentiles in {said:?}"))
}
