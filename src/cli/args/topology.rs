//! `packhorse topology`.

use std::path::PathBuf;

use clap::Args;
use reducer::report::Target;
use shared::protocol::id::OwnerId;

use super::target;

const HELP: &str = "\
Users are producer, consumer, reducer and each --submitter, with the least rights that their work
needs. The password of user NAME comes from PACKHORSE_PASSWORD_NAME (in capitals, other characters as
_), or from a file that PACKHORSE_PASSWORD_NAME_FILE names; only its salted hash is printed. A user
without a password cannot log in until an operator sets one.

With --urls DIR each user that has a directory DIR/NAME gets two files there that only their owner can
read: password, which is made once if the environment gives none; and url, the broker's URL with that
password, for PACKHORSE_BROKER_FILE of that user's role.

Load the definitions with load_definitions in rabbitmq.conf, or with rabbitmqctl import_definitions.";

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct TopologyArgs {
    /// Print RabbitMQ's definitions file
    #[arg(long, required = true)]
    pub definitions: bool,

    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "/")]
    pub vhost: String,

    /// Define the task queues of this root; may be given several times
    #[arg(long = "root", value_name = "NAME")]
    pub roots: Vec<String>,

    /// The reducer's name
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub owner: OwnerId,

    /// A user for commands that submit and wait; may be given several times
    #[arg(long = "submitter", value_name = "NAME", default_value = "submitter")]
    pub submitters: Vec<OwnerId>,

    /// Make the passwords that are not given, and keep each user's password and broker URL in
    /// DIR/NAME
    #[arg(long, value_name = "DIR")]
    pub urls: Option<PathBuf>,

    /// With --urls: the broker's host in these URLs
    #[arg(long, value_name = "HOST[:PORT]", requires = "urls", default_value = "localhost")]
    pub broker_host: String,

    /// Write the definitions to FILE, whole or not at all, instead of stdout
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true, value_parser = target())]
    pub output: Target,
}
