//! `dead` and `explain`: their grammar.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use shared::protocol::id::{OwnerId, TaskId};

use super::{BrokerArgs, Whom};

/// `packhorse dead`
#[derive(Debug, Clone, Args)]
pub struct DeadArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DeadCommand,
}

/// What can be done with dead tasks.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadCommand {
    /// List them: where each was tried last, how often, and why it failed
    List(DeadFilter),
    /// Show all about one: its items, the end of its error output, its messages that came back
    Show(DeadShow),
    /// Put them back to work; the receipt and the report of their jobs follow
    Replay(DeadFilter),
    /// List them no more; they stay failed
    Drop(DeadFilter),
}

/// Which of them.
#[derive(Debug, Clone, Args)]
pub struct DeadFilter {
    /// A job, a task (JOB.NUMBER), or, if no job is called so, a part of the reason [default: all]
    #[arg(value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    pub filter: Option<String>,

    #[command(flatten)]
    /// Where to look.
    pub from: StoreArgs,
}

/// `packhorse dead show`
#[derive(Debug, Clone, Args)]
pub struct DeadShow {
    /// The task, as JOB.NUMBER
    #[arg(value_name = "ID", value_parser = task)]
    pub task: TaskId,

    #[command(flatten)]
    /// Where to look.
    pub from: StoreArgs,
}

fn task(text: &str) -> Result<TaskId, String> {
    text.parse().map_err(|_| "name a task as JOB.NUMBER; packhorse dead list has those that are dead".to_owned())
}

/// `packhorse explain`
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// A job, or a task as JOB.NUMBER
    #[arg(value_name = "ID")]
    pub id: String,

    #[command(flatten)]
    /// Where to look.
    pub from: StoreArgs,
}

/// Whom to ask, or which store to open.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Open this store, of a command or reducer that does not run, instead of asking over a broker
    #[arg(long, value_name = "FILE", conflicts_with_all = ["broker", "owner"])]
    pub state: Option<PathBuf>,

    /// Ask only the reducer of this name [default: all; a job must then be known to one of them only]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<OwnerId>,

    #[command(flatten)]
    /// Where the broker is.
    pub broker: BrokerArgs,

    /// Print JSON Lines
    #[arg(long)]
    pub json: bool,
}

impl StoreArgs {
    /// Whom to ask.
    pub fn whom(&self) -> Whom<'_> {
        Whom { broker: &self.broker, owner: self.owner.as_ref() }
    }
}
