//! `reducer`: its grammar.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use reducer::report::Target;
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::limits::KEEP_DAYS;

use super::time::{days, heartbeat};
use super::{BrokerArgs, LogArgs, target};
use crate::cli::exit::EXIT_CODES;

#[derive(Debug, Clone, Parser)]
#[command(name = "reducer", version, about = "Own jobs: count, resend, report", after_help = EXIT_CODES)]
pub struct ReducerArgs {
    /// The name of this reducer, by which producers find it [default: that of its --state, or main]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<OwnerId>,

    /// Where the reducer's jobs are kept [default: packhorse/NAME.sqlite in XDG_STATE_HOME, or
    /// ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Write the report of each finished job to DIR, as JOB.txt
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,

    /// Wait for this job, write its report and exit. The command asks the reducer of this name, and
    /// waits for it. If no reducer answers, the command owns the job itself, but only with --state
    /// or a store that knows the job
    #[arg(long, value_name = "ID")]
    pub job: Option<JobId>,

    /// With --job: write the report to FILE instead of stdout
    #[arg(short, long, value_name = "FILE", requires = "job", default_value = "-", hide_default_value = true)]
    #[arg(value_parser = target())]
    pub output: Target,

    /// Days that a job is kept after its report was written; then its results are removed
    #[arg(long, value_name = "DAYS", default_value_t = KEEP_DAYS, value_parser = days)]
    pub keep: f64,

    /// Limit on tasks of one job that are sent out and not yet answered [default: 4 for each slot
    /// of the consumers, 64 to 16384]
    #[arg(long, value_name = "N")]
    pub window: Option<NonZero<usize>>,

    /// Heartbeat interval that is expected of consumers, seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = heartbeat)]
    pub heartbeat: Duration,

    #[command(flatten)]
    pub broker: BrokerArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

impl ReducerArgs {
    pub fn name(&self) -> OwnerId {
        self.owner.clone().unwrap_or_else(OwnerId::main)
    }
}
