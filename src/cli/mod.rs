//! The command line: arguments in, an exit code out. Results go to stdout, all else to stderr.
//!
//! Other commands, such as the examples, are made of the same parts: [`enter`], [`broker`],
//! [`signals`], [`keys`], [`term`].

mod apart;
pub mod args;
mod asked;
pub mod broker;
mod cancel;
mod consumer;
mod dead;
mod doctor;
mod ending;
mod exit;
mod explain;
mod failure;
mod fetch;
mod files;
mod forget;
mod health;
mod heartbeat_file;
mod jobs;
mod key_file;
pub mod keys;
pub mod manual;
mod owned;
mod owners;
mod passwords;
mod progress;
mod reducer;
mod roots;
mod runtime;
mod sha1;
pub mod signals;
mod slots;
mod state;
mod steps;
mod submit;
pub mod term;
mod topology;
mod variable;
mod watch;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use ::consumer::Workers;

use args::{Command, ConsumerArgs, JobsCommand, JobsSubcommand, Packhorse, ProducerArgs, ProducerJob, ReducerArgs};
pub use exit::Exit;
pub use failure::Failure;
pub use runtime::Threads;
use tokio::runtime::Runtime;

pub fn packhorse(args: Packhorse) -> ExitCode {
    match args.command {
        Command::Sha1(args) => enter("warn", false, Threads::working(args.job.slots), sha1::run(args)),
        Command::Words(args) => enter("warn", false, Threads::working(args.job.slots), words::run(args)),
        Command::Steps(args) => enter("warn", false, Threads::working(args.job.slots), steps::run(args)),
        Command::Producer(args) => producer(args),
        Command::Consumer(args) => consumer(args, &["consumer"], Workers::new()),
        Command::Reducer(args) => reducer(args),
        Command::Jobs(JobsCommand { command: None, list }) => enter("warn", false, Threads::ASKING, jobs::jobs(list)),
        Command::Jobs(JobsCommand { command: Some(JobsSubcommand::Forget(args)), .. }) => {
            enter("warn", false, Threads::ASKING, forget::run(args))
        }
        Command::Status(args) => enter("warn", false, Threads::ASKING, jobs::status(args)),
        Command::Cancel(args) => enter("warn", false, Threads::ASKING, cancel::run(args)),
        Command::Dead(args) => enter("warn", false, Threads::ASKING, dead::run(args)),
        Command::Explain(args) => enter("warn", false, Threads::ASKING, explain::run(args)),
        Command::Completions(args) => enter_alone(async move { manual::completions(&args) }),
        Command::Man(args) => enter_alone(async move { manual::man(&args) }),
        Command::Topology(args) => enter_alone(topology::run(args)),
        Command::Key(args) => enter_alone(async move { key_file::run(&args) }),
        Command::Health(args) => enter_alone(async move { health::health(&args) }),
        // The findings report failed connections, so the transport's own warnings are left out.
        Command::Doctor(args) => enter("error", false, Threads::ASKING, doctor::run(args)),
        Command::Ready(args) => enter_alone(async move { health::ready(&args) }),
    }
}

pub fn producer(args: ProducerArgs) -> ExitCode {
    match args.job {
        ProducerJob::Sha1(args) => enter("warn", false, Threads::ASKING, sha1::submit(args)),
        ProducerJob::Words(args) => enter("warn", false, Threads::ASKING, words::submit(args)),
        ProducerJob::Steps(args) => enter("warn", false, Threads::ASKING, steps::submit(args)),
    }
}

/// `words` are the words of the command line before the command's own options, and `workers` the
/// kinds of workers whose calls it does.
pub fn consumer(args: ConsumerArgs, words: &[&str], workers: Workers) -> ExitCode {
    if args.isolated {
        return consumer::isolated();
    }
    enter("info", args.log.json, Threads::working(args.slots), consumer::run(args, words, workers))
}

pub fn reducer(args: ReducerArgs) -> ExitCode {
    enter("info", args.log.json, Threads::OWNING, reducer::run(args))
}

/// Runs a command to its end with these threads. Threads that then still hang in a read or a write
/// are left behind, so that the process can end.
pub fn enter(
    level: &str,
    json: bool,
    threads: Threads,
    command: impl Future<Output = Result<Exit, Failure>>,
) -> ExitCode {
    if let Err(error) = shared::system::telemetry::init(level, json) {
        return term::end(Failure::usage(error));
    }
    match runtime::start(threads) {
        Ok(runtime) => run_in(runtime, command),
        Err(failure) => term::end(failure),
    }
}

/// Runs a command that needs no other thread than this one.
fn enter_alone(command: impl Future<Output = Result<Exit, Failure>>) -> ExitCode {
    if let Err(error) = shared::system::telemetry::init("warn", false) {
        return term::end(Failure::usage(error));
    }
    match runtime::start_alone() {
        Ok(runtime) => run_in(runtime, command),
        Err(failure) => term::end(failure),
    }
}

fn run_in(runtime: Runtime, command: impl Future<Output = Result<Exit, Failure>>) -> ExitCode {
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_millis(100));
    ::reducer::scratch::sweep();
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => term::end(failure),
    }
}
