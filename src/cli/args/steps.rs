//! The grammar of `steps`.

use clap::builder::RangedU64ValueParser;
use clap::{Args, value_parser};
use shared::protocol::limits::{DERIVED_TASKS_MAX, NEEDS_MAX};

use super::{JobArgs, SubmitArgs};
use crate::cli::exit::EXIT_CODES;

#[derive(Debug, Clone, Args)]
pub struct WhipsArgs {
    /// Number of tasks. Task n takes n steps, and the steps of the tasks that it needs
    #[arg(long, value_name = "N", default_value = "100", value_parser = whips())]
    pub whips: u64,

    /// Each task needs this many tasks before it, and goes out when they are answered
    #[arg(long, value_name = "N", default_value = "1", value_parser = needs())]
    pub needs: u64,
}

fn whips() -> RangedU64ValueParser {
    value_parser!(u64).range(..=DERIVED_TASKS_MAX)
}

fn needs() -> RangedU64ValueParser {
    value_parser!(u64).range(1..=NEEDS_MAX as u64)
}

#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct StepsArgs {
    #[command(flatten)]
    pub whips: WhipsArgs,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ProducerStepsArgs {
    #[command(flatten)]
    pub whips: WhipsArgs,

    #[command(flatten)]
    pub job: SubmitArgs,
}
