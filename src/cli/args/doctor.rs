//! `packhorse doctor`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use shared::protocol::definitions::Role;
use shared::protocol::id::OwnerId;

use super::BrokerArgs;

const HELP: &str = "\
One line for each finding: ok, warn or fail, what it is about, what was found, and what to do. Nothing
of others is changed at the broker and nothing is left there; it may run beside everything else. What
policies do to queues like ours is seen for some seconds, where this user may make such queues.

Exit codes:
  0    no finding is a fail
  1    at least one is
  2    the command line or the configuration is wrong; nothing was looked at";

/// `packhorse doctor`
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct DoctorArgs {
    /// Look for what this role needs, as the user whom --broker names; may be given several times
    /// [default: producer, consumer and reducer]
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<RoleName>,

    /// Look at the files of root NAME in this machine's directory DIR; may be given several times
    #[arg(long = "root", value_name = "NAME=DIR")]
    pub roots: Vec<OsString>,

    /// The reducer's name
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub owner: OwnerId,

    /// Where the reducer's jobs are kept [default: packhorse/NAME.sqlite in XDG_STATE_HOME, or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// The broker's acknowledgement time-out (consumer_timeout of RabbitMQ), which it tells nobody
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = super::time::seconds)]
    pub ack_timeout: Duration,

    #[command(flatten)]
    /// Where the broker is.
    pub broker: BrokerArgs,

    /// Print JSON Lines
    #[arg(long)]
    pub json: bool,
}

/// A role by its name.
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
