//! Rounds in turn, medians with their spread, and peaks of memory.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Figures of one contestant, in ascending order.
pub struct Figures(Vec<f64>);

impl Figures {
    /// From figures in any order; there is at least one.
    pub fn new(mut figures: Vec<f64>) -> Self {
        assert!(!figures.is_empty(), "something was measured");
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    pub fn median(&self) -> f64 {
        (self.0[(self.0.len() - 1) / 2] + self.0[self.0.len() / 2]) / 2.0
    }

    /// The smallest and the largest figure.
    pub fn spread(&self) -> (f64, f64) {
        (self.0[0], self.0[self.0.len() - 1])
    }
}

/// Lets the contestants take turns, each round in the opposite order, after a round that warms the
/// cache and is not counted. Gives their seconds.
pub fn in_turn(rounds: usize, contestants: &[&dyn Fn()]) -> Vec<Figures> {
    let timed = contestants.iter().map(|contestant| {
        move || {
            let started = Instant::now();
            contestant();
            started.elapsed().as_secs_f64()
        }
    });
    let timed: Vec<_> = timed.collect();
    let timed: Vec<&dyn Fn() -> f64> = timed.iter().map(|contestant| contestant as &dyn Fn() -> f64).collect();
    turns(rounds, &timed).into_iter().map(Figures::new).collect()
}

/// The same for contestants that measure for themselves. Gives what they gave.
pub fn turns<T>(rounds: usize, contestants: &[&dyn Fn() -> T]) -> Vec<Vec<T>> {
    let mut figures: Vec<Vec<T>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let figure = contestants[index]();
            if round > 0 {
                figures[index].push(figure);
            }
        }
    }
    figures
}

pub fn packhorse(arguments: &[&str]) -> Command {
    ours(env!("CARGO_BIN_EXE_packhorse").as_ref(), arguments)
}

/// A program of ours, which meets no broker that this benchmark has not given it.
pub fn ours(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    for name in ["PACKHORSE_BROKER", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL"] {
        command.env_remove(name);
    }
    command
}

/// A shell pipeline, in which `$1` is `path`.
pub fn shell(script: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(path);
    command
}

/// Runs to the end with stdout in a file: a pipe would measure its reader, too.
pub fn run(mut command: Command, out: &Path) {
    let file = File::create(out).expect("a file for output");
    let status = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).status();
    assert!(status.expect("it runs").success(), "{command:?} fails");
}

/// Like [`run`], and gives what it printed.
pub fn run_said(command: Command, out: &Path) -> String {
    run(command, out);
    std::fs::read_to_string(out).expect("it was written")
}

/// Like [`run`], and gives the command's peak of resident memory in MiB.
pub fn run_watched(mut command: Command, out: &Path) -> f64 {
    let file = File::create(out).expect("a file for output");
    command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null());
    let mut child = command.spawn().expect("it runs");
    let mut peak = 0.0;
    let status = loop {
        // The peak only grows, so at most the growth of the last milliseconds is missed.
        peak = peak_mib(&child).unwrap_or(peak);
        match child.try_wait().expect("it is a child") {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(status.success(), "{command:?} fails");
    peak
}

/// The peak of a process's resident memory in MiB, while it lives.
fn peak_mib(child: &Child) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok().map(|kib: f64| kib / 1024.0)
}

/// A role that serves until it is dropped.
pub struct Role(Child);

impl Role {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("it runs"))
    }

    /// The peak of its resident memory so far, in MiB.
    pub fn peak(&self) -> f64 {
        peak_mib(&self.0).expect("it still serves")
    }

    /// Seconds of a core that it has used so far.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it still serves");
        // The name of the program is the second field, in brackets, and may have blanks.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks of a clock")).sum();
        // Linux counts these in hundredths of a second, whatever its own clock does.
        ticks / 100.0
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // A benchmark's role has nothing to save, so it is killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
