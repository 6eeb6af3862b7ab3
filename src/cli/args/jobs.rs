//! `jobs` and `status`: their grammar.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shared::protocol::id::{JobId, OwnerId};

use super::{BrokerArgs, StoreArgs, Whom};

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct JobsCommand {
    #[command(subcommand)]
    pub command: Option<JobsSubcommand>,

    #[command(flatten)]
    pub list: JobsArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum JobsSubcommand {
    /// Remove a job that has ended, and its results, from its reducer's store; written reports stay
    Forget(ForgetArgs),
}

#[derive(Debug, Clone, Args)]
pub struct ForgetArgs {
    /// The job's id
    #[arg(value_name = "ID")]
    pub job: JobId,

    #[command(flatten)]
    pub from: StoreArgs,
}

#[derive(Debug, Clone, Args)]
pub struct JobsArgs {
    /// Read this store instead of asking over a broker
    #[arg(long, value_name = "FILE", conflicts_with_all = ["broker", "owner"])]
    pub state: Option<PathBuf>,

    /// Ask only the reducer of this name [default: all]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<OwnerId>,

    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Print JSON Lines
    #[arg(long)]
    pub json: bool,
}

impl JobsArgs {
    pub fn whom(&self) -> Whom<'_> {
        Whom { broker: &self.broker, owner: self.owner.as_ref() }
    }
}

#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The job's id
    #[arg(value_name = "ID")]
    pub job: JobId,

    #[command(flatten)]
    pub from: JobsArgs,
}
