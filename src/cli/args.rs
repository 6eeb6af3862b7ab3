//! The command line's grammar.

pub mod dead;
pub mod doctor;
mod health;
pub mod jobs;
pub mod manual;
mod parse;
pub mod reducer;
pub mod security;
pub mod steps;
mod time;
mod topology;
mod whom;
pub mod words;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use ::reducer::report::Target;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use shared::protocol::id::{JobId, OwnerId, ReportName};
use shared::protocol::workload::Workload;

use super::exit::EXIT_CODES;
pub use dead::{DeadArgs, DeadCommand, DeadFilter, ExplainArgs, StoreArgs};
use doctor::DoctorArgs;
pub use health::HealthArgs;
pub use jobs::{ForgetArgs, JobsArgs, JobsCommand, JobsSubcommand, StatusArgs};
use manual::{CompletionsArgs, ManArgs};
pub use parse::parse;
pub use reducer::ReducerArgs;
use security::{KeyArgs, SecurityArgs};
use steps::{ProducerStepsArgs, StepsArgs};
pub use time::DAY;
use time::{heartbeat, seconds};
pub use topology::TopologyArgs;
pub use whom::Whom;
use words::{ProducerWordsArgs, WordsArgs};

/// Carries work to many machines and brings back exactly one answer.
#[derive(Debug, Parser)]
#[command(name = "packhorse", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Packhorse {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the SHA-1 digest of every file, as sha1sum does
    Sha1(Sha1Args),
    /// Count lines, words and bytes of every file, as wc does
    Words(WordsArgs),
    /// Have horses take steps: the smallest job, to try out an installation
    Steps(StepsArgs),
    /// Submit a job to a reducer over a broker
    Producer(ProducerArgs),
    /// Do tasks from a broker
    Consumer(ConsumerArgs),
    /// Own jobs: count, resend, report
    Reducer(ReducerArgs),
    /// List jobs and their states
    Jobs(JobsCommand),
    /// Show the state of one job
    Status(StatusArgs),
    /// Cancel a job
    Cancel(CancelArgs),
    /// List, show, replay or drop tasks that failed and are not tried again
    Dead(DeadArgs),
    /// Say in one sentence why a job or a task waits, failed or is missing
    Explain(ExplainArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(ManArgs),
    /// Print the exchanges, queues and users that a broker needs, for its operator
    Topology(TopologyArgs),
    /// Make keys that encrypt and authenticate messages
    Key(KeyArgs),
    /// Check a broker and this machine: what is wrong, and what to do
    Doctor(DoctorArgs),
    /// Check, by its heartbeat file, whether a role is healthy
    Health(HealthArgs),
    /// Check, by its heartbeat file, whether a role is connected and has worked or polled within two
    /// heartbeats
    Ready(HealthArgs),
}

#[derive(Debug, Clone, Args)]
pub struct BrokerArgs {
    /// The broker, as amqp://USER:PASSWORD@HOST:PORT/VHOST
    /// [env: PACKHORSE_BROKER, or a file that holds it: PACKHORSE_BROKER_FILE]
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,

    /// Give up when the broker cannot be reached for this long at the start [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub connect_timeout: Option<Duration>,

    #[command(flatten)]
    pub security: SecurityArgs,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Print JSON Lines
    #[arg(long)]
    pub json: bool,

    /// Print no progress and no receipt on stderr; failures are still printed
    #[arg(short, long)]
    pub quiet: bool,
}

/// `-` is standard output.
fn target() -> impl TypedValueParser<Value = Target> {
    OsStringValueParser::new().try_map(Target::named)
}

#[derive(Debug, Clone, Args)]
pub struct FilesArgs {
    /// Files and directories. Over a broker each is a root, named after the last part of its path;
    /// NAME=PATH gives it another name
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,

    /// Follow symbolic links that stay within their root
    #[arg(long)]
    pub follow: bool,

    /// Follow symbolic links wherever they lead (over a broker, consumers must allow it, too)
    #[arg(long)]
    pub follow_outside: bool,

    /// Over a broker: fail a file if its modification time on the consumer differs from the planned
    /// one. Without this, the consumer accepts and counts a copy that was made without times: its
    /// time is between the planned file's time and the time of the plan
    #[arg(long)]
    pub strict_times: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Sha1Args {
    #[command(flatten)]
    pub files: FilesArgs,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct RecheckArgs {
    /// Resume a job whose plan is complete without checking whether files have changed since. The
    /// report may then describe older files; the receipt says so, and the exit code is 1
    #[arg(long)]
    pub no_recheck: bool,
}

/// Options of a command that owns its job.
#[derive(Debug, Clone, Args)]
pub struct JobArgs {
    /// Write the report to FILE, whole or not at all, instead of stdout
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true, value_parser = target())]
    pub output: Target,

    /// Keep the job's state in FILE: after a crash, the same command resumes the job
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// The job's id [default: that of the same job in --state if it has not ended, or a fresh one]
    #[arg(long, value_name = "ID")]
    pub job: Option<JobId>,

    #[command(flatten)]
    pub recheck: RecheckArgs,

    /// Tasks done at a time in this process [default: the number of cores]
    #[arg(short = 'j', long, value_name = "N", conflicts_with = "broker")]
    pub slots: Option<u32>,

    /// Limit on tasks that are sent out and not yet answered [default: 4 for each slot of the
    /// consumers, 64 to 16384]
    #[arg(long, value_name = "N")]
    pub window: Option<NonZero<usize>>,

    #[command(flatten)]
    pub broker: BrokerArgs,

    #[command(flatten)]
    pub out: OutputArgs,
}

#[derive(Debug, Clone, Parser)]
#[command(name = "producer", version, about = "Submit a job to a reducer over a broker", after_help = EXIT_CODES)]
pub struct ProducerArgs {
    #[command(subcommand)]
    pub job: ProducerJob,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ProducerJob {
    /// Submit a job for the SHA-1 digest of every file
    Sha1(ProducerSha1Args),
    /// Submit a job for the lines, words and bytes of every file
    Words(ProducerWordsArgs),
    /// Submit a job of steps: the smallest job, to try out an installation
    Steps(ProducerStepsArgs),
}

#[derive(Debug, Clone, Args)]
pub struct ProducerSha1Args {
    #[command(flatten)]
    pub files: FilesArgs,

    #[command(flatten)]
    pub job: SubmitArgs,
}

/// Options of a command that submits a job to a reducer.
#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {
    /// The job's id; the same id again resumes the same job [env: PACKHORSE_JOB] [default: that of
    /// the reducer's latest job for the same files if it has not ended, or a fresh one]
    #[arg(long, value_name = "ID")]
    pub job: Option<JobId>,

    /// Name of the report in the reducer's --output-dir: NAME.txt. It replaces the report of an
    /// earlier job with this name [default: the job's id]
    #[arg(long, value_name = "NAME")]
    pub report: Option<ReportName>,

    /// The reducer that is to own the job
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub owner: OwnerId,

    /// Of the reducer's jobs, those with the highest priority go first; jobs of one priority take
    /// turns
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true)]
    pub priority: i32,

    #[command(flatten)]
    pub recheck: RecheckArgs,

    /// Exit once all tasks are submitted, and do not wait for the job's end
    #[arg(long)]
    pub no_wait: bool,

    #[command(flatten)]
    pub broker: BrokerArgs,

    #[command(flatten)]
    pub out: OutputArgs,
}

#[derive(Debug, Clone, Parser)]
#[command(name = "consumer", version, about = "Do tasks from a broker", after_help = EXIT_CODES)]
pub struct ConsumerArgs {
    /// Serve the files of root NAME from this machine's directory DIR; may be given several times
    #[arg(long = "root", value_name = "NAME=DIR")]
    pub roots: Vec<OsString>,

    /// Serve only this workload; may be given several times [default: all]
    #[arg(long = "workload", value_name = "WORKLOAD")]
    pub workloads: Vec<Workload>,

    /// Tasks done at a time [default: the number of cores]
    #[arg(short = 'j', long, value_name = "N")]
    pub slots: Option<u32>,

    /// Tasks taken from each queue at a time (AMQP prefetch), including those in progress [default:
    /// one more than slots]
    #[arg(long, value_name = "N")]
    pub prefetch: Option<u16>,

    /// Allow jobs to follow links that lead outside their root
    #[arg(long)]
    pub follow_outside: bool,

    /// Compare only the sizes of files with what was planned, and not their modification times
    #[arg(long)]
    pub ignore_times: bool,

    /// Do items for another consumer, over stdin and stdout; a consumer starts itself with it
    #[arg(long, hide = true, exclusive = true)]
    pub isolated: bool,

    /// Heartbeat interval, seconds: how often reducers hear of this consumer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = heartbeat)]
    pub heartbeat: Duration,

    /// The broker's acknowledgement time-out (RabbitMQ's consumer_timeout, which cannot be read
    /// over AMQP). For a task that takes longer than half of it, the consumer takes a lease from
    /// the reducer
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = seconds)]
    pub ack_timeout: Duration,

    #[command(flatten)]
    pub broker: BrokerArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Log JSON Lines
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct CancelArgs {
    /// The job's id
    #[arg(value_name = "ID")]
    pub job: JobId,

    #[command(flatten)]
    pub from: StoreArgs,
}
