//! The command line: arguments in, an exit code out. Results go to stdout, all else to stderr.
//!
//! Other commands, such as the examples, are made of the same parts: [`enter`], [`broker`],
//! [`signals`], [`keys`], [`term`].

pub mod args;
pub mod broker;
mod cancel;
mod consumer;
mod dead;
mod doctor;
mod exit;
mod explain;
mod fetch;
mod files;
mod health;
mod jobs;
mod key_file;
pub mod keys;
pub mod manual;
mod owned;
mod owners;
mod passwords;
mod progress;
mod reducer;
mod runtime;
mod sha1;
pub mod signals;
mod submit;
pub mod term;
mod topology;
mod variable;
mod watch;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use ::reducer::service::ServiceError;
use ::reducer::store::StoreError;
use args::{Command, ConsumerArgs, Packhorse, ProducerArgs, ProducerJob, ReducerArgs};
pub use exit::Exit;
pub use runtime::Threads;
use shared::transport::TransportError;
use tokio::runtime::Runtime;

/// A command ends early: how, and what people are told.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// Any.
    pub fn new(exit: Exit, error: impl std::fmt::Display) -> Self {
        Self { exit, text: error.to_string() }
    }

    /// The command line or the configuration is wrong.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// Could not finish.
    pub fn unfinished(error: impl std::fmt::Display) -> Self {
        Self::new(Exit::Unfinished, error)
    }

    /// Tells people, and gives the exit code.
    pub fn tell(self) -> ExitCode {
        term::complain(&self.text);
        self.exit.into()
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<TransportError> for Failure {
    /// What the user can mend in the command or the configuration is usage.
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Url { .. }
            | TransportError::Credentials { .. }
            | TransportError::VirtualHost { .. }
            | TransportError::Tls { .. } => Self::usage(error),
            _ => Self::unfinished(error),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Transport(error) => error.into(),
            ServiceError::Running { .. } | ServiceError::OutputDir { .. } => Self::usage(error),
            ServiceError::Store(cause) => Self::from(&*cause),
            other => Self::unfinished(other),
        }
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::InUse(_) | StoreError::Version { .. } | StoreError::Owner { .. } => Self::usage(error),
            _ => Self::unfinished(error),
        }
    }
}

/// `packhorse`
pub fn packhorse(args: Packhorse) -> ExitCode {
    match args.command {
        Command::Sha1(args) => enter("warn", false, Threads::working(args.job.slots), sha1::run(args)),
        Command::Words(args) => enter("warn", false, Threads::working(args.job.slots), words::run(args)),
        Command::Producer(args) => producer(args),
        Command::Consumer(args) => consumer(args, &["consumer"]),
        Command::Reducer(args) => reducer(args),
        Command::Jobs(args) => enter("warn", false, Threads::ASKING, jobs::jobs(args)),
        Command::Status(args) => enter("warn", false, Threads::ASKING, jobs::status(args)),
        Command::Cancel(args) => enter("warn", false, Threads::ASKING, cancel::run(args)),
        Command::Dead(args) => enter("warn", false, Threads::ASKING, dead::run(args)),
        Command::Explain(args) => enter("warn", false, Threads::ASKING, explain::run(args)),
        Command::Completions(args) => enter_alone(async move { manual::completions(&args) }),
        Command::Man(args) => enter_alone(async move { manual::man(&args) }),
        Command::Topology(args) => enter_alone(topology::run(args)),
        Command::Key(args) => enter_alone(async move { key_file::run(&args) }),
        Command::Health(args) => enter_alone(async move { health::health(&args) }),
        // What the transport says of its tries is said by the findings.
        Command::Doctor(args) => enter("error", false, Threads::ASKING, doctor::run(args)),
        Command::Ready(args) => enter_alone(async move { health::ready(&args) }),
    }
}

/// `producer`
pub fn producer(args: ProducerArgs) -> ExitCode {
    match args.job {
        ProducerJob::Sha1(args) => enter("warn", false, Threads::ASKING, sha1::submit(args)),
        ProducerJob::Words(args) => enter("warn", false, Threads::ASKING, words::submit(args)),
    }
}

/// `consumer`; `words` are those of the command line before its own arguments.
pub fn consumer(args: ConsumerArgs, words: &[&str]) -> ExitCode {
    if args.isolated {
        return consumer::isolated();
    }
    enter("info", args.log.json, Threads::working(args.slots), consumer::run(args, words))
}

/// `reducer`
pub fn reducer(args: ReducerArgs) -> ExitCode {
    enter("info", args.log.json, Threads::OWNING, reducer::run(args))
}

/// Runs a command to its end, with so many threads. Threads that hang in a read or a write after that are left
/// behind: the process must not hang with them.
pub fn enter(
    level: &str,
    json: bool,
    threads: Threads,
    command: impl Future<Output = Result<Exit, Failure>>,
) -> ExitCode {
    if let Err(error) = shared::system::telemetry::init(level, json) {
        return Failure::usage(error).tell();
    }
    match runtime::start(threads) {
        Ok(runtime) => run_in(runtime, command),
        Err(failure) => failure.tell(),
    }
}

/// Runs a command that needs no other thread than this one.
fn enter_alone(command: impl Future<Output = Result<Exit, Failure>>) -> ExitCode {
    if let Err(error) = shared::system::telemetry::init("warn", false) {
        return Failure::usage(error).tell();
    }
    match runtime::start_alone() {
        Ok(runtime) => run_in(runtime, command),
        Err(failure) => failure.tell(),
    }
}

fn run_in(runtime: Runtime, command: impl Future<Output = Result<Exit, Failure>>) -> ExitCode {
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_millis(100));
    ::reducer::scratch::sweep();
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell(),
    }
}
