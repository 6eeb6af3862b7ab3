//! `dead` and `explain`: their grammar.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use shared::protocol::id::{OwnerId, TaskId};

use super::{BrokerArgs, Whom};

#[derive(Debug, Clone, Args)]
pub struct DeadArgs {
    #[command(subcommand)]
    pub command: DeadCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DeadCommand {
    /// List dead tasks: the host of the last attempt, the number of attempts, and the reason
    List(DeadFilter),
    /// Show one dead task: its items, the end of its error output, its messages that came back
    Show(DeadShow),
    /// Send dead tasks out again; the receipts and reports of their jobs are updated
    Replay(DeadFilter),
    /// Remove dead tasks from the list; they stay failed
    Drop(DeadFilter),
}

#[derive(Debug, Clone, Args)]
pub struct DeadFilter {
    /// A job, a task (JOB.NUMBER), or, if no job has this id, a part of the reason [default: all]
    #[arg(value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    pub filter: Option<String>,

    #[command(flatten)]
    pub from: StoreArgs,
}

#[derive(Debug, Clone, Args)]
pub struct DeadShow {
    /// The task, as JOB.NUMBER
    #[arg(value_name = "ID", value_parser = task)]
    pub task: TaskId,

    #[command(flatten)]
    pub from: StoreArgs,
}

fn task(text: &str) -> Result<TaskId, String> {
    text.parse().map_err(|_| "give a task as JOB.NUMBER; packhorse dead list shows the dead tasks".to_owned())
}

#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// A job, or a task as JOB.NUMBER
    #[arg(value_name = "ID")]
    pub id: String,

    #[command(flatten)]
    pub from: StoreArgs,
}

/// The owner to ask over a broker, or the store to open.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Open this store instead of asking over a broker; its command or reducer must not be running
    #[arg(long, value_name = "FILE", conflicts_with_all = ["broker", "owner"])]
    pub state: Option<PathBuf>,

    /// Ask only the reducer of this name [default: all; then only one of them may know the job]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<OwnerId>,

    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Print JSON Lines
    #[arg(long)]
    pub json: bool,
}

impl StoreArgs {
    pub fn whom(&self) -> Whom<'_> {
        Whom { broker: &self.broker, owner: self.owner.as_ref() }
    }
}
