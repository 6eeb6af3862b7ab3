//! `reducer`: its grammar.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use reducer::report::Target;
use shared::protocol::id::{JobId, OwnerId};

use super::time::heartbeat;
use super::{BrokerArgs, LogArgs, target};
use crate::cli::exit::EXIT_CODES;

/// `reducer`
#[derive(Debug, Clone, Parser)]
#[command(name = "reducer", version, about = "Own jobs: count, resend, report", after_help = EXIT_CODES)]
pub struct ReducerArgs {
    /// The name of this reducer, by which producers find it [default: that of its --state, or main]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<OwnerId>,

    /// Where its jobs are kept [default: packhorse/NAME.sqlite in XDG_STATE_HOME, or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Write the report of each finished job there, as JOB.txt
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,

    /// Wait for this job, write its report and exit. The reducer of this name is asked for it, and waited
    /// for; only with --state, or a store that knows the job, does this command own it while there is none
    #[arg(long, value_name = "ID")]
    pub job: Option<JobId>,

    /// With --job: write the report to FILE instead of stdout
    #[arg(short, long, value_name = "FILE", requires = "job", default_value = "-", hide_default_value = true)]
    #[arg(value_parser = target())]
    pub output: Target,

    /// Tasks of one job sent out and not yet answered, at most
    /// [default: 4 for each slot of the consumers, 64 to 16384]
    #[arg(long, value_name = "N")]
    pub window: Option<NonZero<usize>>,

    /// Heartbeat interval that is expected of consumers, seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = heartbeat)]
    pub heartbeat: Duration,

    #[command(flatten)]
    /// Where the broker is.
    pub broker: BrokerArgs,

    #[command(flatten)]
    /// How to log.
    pub log: LogArgs,
}

impl ReducerArgs {
    /// The name under which it is asked for.
    pub fn name(&self) -> OwnerId {
        self.owner.clone().unwrap_or_else(OwnerId::main)
    }
}
