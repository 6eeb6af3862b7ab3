//! `packhorse doctor`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use shared::protocol::definitions::Role;
use shared::protocol::id::OwnerId;

use super::BrokerArgs;

const HELP: &str = "\
One line for each finding: ok, warn or fail, the subject, what was found, and what to do. The command
may run beside live jobs: at the broker it changes nothing that belongs to others, and it leaves
nothing there. If this user may declare queues named like those of Packhorse, the command watches for
some seconds what the broker's policies do to them.

Exit codes:
  0    no finding is a fail
  1    at least one finding is a fail
  2    the command line or the configuration is wrong; nothing was checked";

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct DoctorArgs {
    /// Check what this role needs, as the user in the broker's URL; may be given several times
    /// [default: producer, consumer and reducer]
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<RoleName>,

    /// Check root NAME in this machine's directory DIR; may be given several times
    #[arg(long = "root", value_name = "NAME=DIR")]
    pub roots: Vec<OsString>,

    /// The reducer's name
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub owner: OwnerId,

    /// Where the reducer's jobs are kept [default: packhorse/NAME.sqlite in XDG_STATE_HOME, or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// The broker's acknowledgement time-out (RabbitMQ's consumer_timeout, which cannot be read
    /// over AMQP)
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = super::time::seconds)]
    pub ack_timeout: Duration,

    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Print JSON Lines
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Submits jobs to a reducer
    Producer,
    /// Does tasks
    Consumer,
    /// Owns jobs, as a service
    Reducer,
    /// Submits a job, owns it and waits for it: packhorse sha1 --broker
    Submitter,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Producer => Self::Producer,
            RoleName::Consumer => Self::Consumer,
            RoleName::Reducer => Self::Reducer,
            RoleName::Submitter => Self::Submitter,
        }
    }
}
