//! The command line's grammar.

pub mod dead;
pub mod doctor;
mod health;
pub mod jobs;
pub mod manual;
mod parse;
pub mod reducer;
pub mod security;
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
pub use jobs::{JobsArgs, StatusArgs};
use manual::{CompletionsArgs, ManArgs};
pub use parse::parse;
pub use reducer::ReducerArgs;
use security::{KeyArgs, SecurityArgs};
use time::{heartbeat, seconds};
pub use topology::TopologyArgs;
pub use whom::Whom;
use words::{ProducerWordsArgs, WordsArgs};

/// Carries work to many machines and brings back exactly one answer.
#[derive(Debug, Parser)]
#[command(name = "packhorse", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Packhorse {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the SHA-1 digest of every file, as sha1sum does
    Sha1(Sha1Args),
    /// Count lines, words and bytes of every file, as wc does
    Words(WordsArgs),
    /// Submit a job to a reducer over a broker
    Producer(ProducerArgs),
    /// Do tasks from a broker
    Consumer(ConsumerArgs),
    /// Own jobs: count, resend, report
    Reducer(ReducerArgs),
    /// List jobs and how they stand
    Jobs(JobsArgs),
    /// Show how one job stands
    Status(StatusArgs),
    /// End a job as it stands
    Cancel(CancelArgs),
    /// List, show, replay or drop tasks that failed for the last time
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
    /// Look at a broker and this machine: what is wrong, and what to do
    Doctor(DoctorArgs),
    /// Say whether the role that runs in this container or under this user is well
    Health(HealthArgs),
    /// Say whether that role is connected and has worked or polled within two heartbeats
    Ready(HealthArgs),
}

/// How to reach a broker.
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
    /// How the way there is secured.
    pub security: SecurityArgs,
}

/// How to say it.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Print JSON Lines
    #[arg(long)]
    pub json: bool,

    /// No progress and no receipt on stderr; failures still show
    #[arg(short, long)]
    pub quiet: bool,
}

/// `-` is standard output.
fn target() -> impl TypedValueParser<Value = Target> {
    OsStringValueParser::new().try_map(Target::named)
}

/// Which files.
#[derive(Debug, Clone, Args)]
pub struct FilesArgs {
    /// Files and directories. Over a broker each is a root, with the last part of its path as its
    /// name; NAME=PATH gives it another
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,

    /// Follow symbolic links that stay within their root
    #[arg(long)]
    pub follow: bool,

    /// Follow symbolic links wherever they lead (a consumer must allow it, too)
    #[arg(long)]
    pub follow_outside: bool,

    /// Over a broker: fail a file whose modification time on its consumer is not the one that was planned. Without
    /// this a copy made without times is taken and counted, if its time is between that one and the plan's
    #[arg(long)]
    pub strict_times: bool,
}

/// `packhorse sha1`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Sha1Args {
    #[command(flatten)]
    /// Which files.
    pub files: FilesArgs,

    #[command(flatten)]
    /// How the job is run.
    pub job: JobArgs,
}

/// How a job goes on that was begun before.
#[derive(Debug, Clone, Copy, Args)]
pub struct RecheckArgs {
    /// Go on with a job whose plan is complete without looking whether files have changed since: its report may be
    /// of files as they were, the receipt says so, and the exit code is 1
    #[arg(long)]
    pub no_recheck: bool,
}

/// How a job is run that this command owns.
#[derive(Debug, Clone, Args)]
pub struct JobArgs {
    /// Write the report to FILE, whole or not at all, instead of stdout
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true, value_parser = target())]
    pub output: Target,

    /// Keep the job's state in FILE: run the same command again after a crash, and it goes on
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// The job's id [default: that of the same job in --state if it has not ended, or a fresh one]
    #[arg(long, value_name = "ID")]
    pub job: Option<JobId>,

    #[command(flatten)]
    /// How it goes on.
    pub recheck: RecheckArgs,

    /// Tasks done at a time in this process [default: the number of cores]
    #[arg(short = 'j', long, value_name = "N", conflicts_with = "broker")]
    pub slots: Option<u32>,

    /// Tasks sent out and not yet answered, at most [default: 4 for each slot of the consumers, 64 to 16384]
    #[arg(long, value_name = "N")]
    pub window: Option<NonZero<usize>>,

    #[command(flatten)]
    /// With a broker, consumers elsewhere do the work.
    pub broker: BrokerArgs,

    #[command(flatten)]
    /// How to say it.
    pub out: OutputArgs,
}

/// `producer`
#[derive(Debug, Clone, Parser)]
#[command(name = "producer", version, about = "Submit a job to a reducer over a broker", after_help = EXIT_CODES)]
pub struct ProducerArgs {
    /// What to submit.
    #[command(subcommand)]
    pub job: ProducerJob,
}

/// What a producer can submit.
#[derive(Debug, Clone, Subcommand)]
pub enum ProducerJob {
    /// Submit a job for the SHA-1 digest of every file
    Sha1(ProducerSha1Args),
    /// Lines, words and bytes of every file
    Words(ProducerWordsArgs),
}

/// `producer sha1`
#[derive(Debug, Clone, Args)]
pub struct ProducerSha1Args {
    #[command(flatten)]
    /// Which files.
    pub files: FilesArgs,

    #[command(flatten)]
    /// How the job is submitted.
    pub job: SubmitArgs,
}

/// How a job is submitted that a reducer owns.
#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {
    /// The job's id; the same id again goes on with the same job [env: PACKHORSE_JOB] [default: that of
    /// the reducer's latest job for the same files if it has not ended, or a fresh one]
    #[arg(long, value_name = "ID")]
    pub job: Option<JobId>,

    /// What the job's report is called in the reducer's --output-dir: NAME.txt, which replaces that of an
    /// earlier job [default: the job's id]
    #[arg(long, value_name = "NAME")]
    pub report: Option<ReportName>,

    /// The reducer that is to own the job
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub owner: OwnerId,

    #[command(flatten)]
    /// How it goes on.
    pub recheck: RecheckArgs,

    /// Leave once all tasks are handed over, and do not wait for the job's end
    #[arg(long)]
    pub no_wait: bool,

    #[command(flatten)]
    /// Where the broker is.
    pub broker: BrokerArgs,

    #[command(flatten)]
    /// How to say it.
    pub out: OutputArgs,
}

/// `consumer`
#[derive(Debug, Clone, Parser)]
#[command(name = "consumer", version, about = "Do tasks from a broker", after_help = EXIT_CODES)]
pub struct ConsumerArgs {
    /// Serve the files of root NAME from this machine's directory DIR; may be given several times
    #[arg(long = "root", value_name = "NAME=DIR")]
    pub roots: Vec<OsString>,

    /// Serve only this workload; may be given several times [default: every one]
    #[arg(long = "workload", value_name = "WORKLOAD")]
    pub workloads: Vec<Workload>,

    /// Tasks done at a time [default: the number of cores]
    #[arg(short = 'j', long, value_name = "N")]
    pub slots: Option<u32>,

    /// Tasks taken from each queue at a time, those being done included [default: one more than slots]
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

    /// The broker's acknowledgement time-out (consumer_timeout of RabbitMQ, which cannot be asked for
    /// it): a task that takes longer than half of it is leased from its reducer
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = seconds)]
    pub ack_timeout: Duration,

    #[command(flatten)]
    /// Where the broker is.
    pub broker: BrokerArgs,

    #[command(flatten)]
    /// How to log.
    pub log: LogArgs,
}

/// How a service logs.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Log JSON Lines
    #[arg(long)]
    pub json: bool,
}

/// `packhorse cancel`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct CancelArgs {
    /// The job's id
    #[arg(value_name = "ID")]
    pub job: JobId,

    #[command(flatten)]
    /// Where to look.
    pub from: StoreArgs,
}
