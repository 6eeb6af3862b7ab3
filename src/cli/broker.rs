//! Which broker: flag, then environment, then files that the environment names.

use std::sync::Arc;
use std::time::Duration;

use shared::transport::{BrokerUrl, Transport, connect};

use super::Failure;
use super::args::BrokerArgs;

/// Read by every command.
const OURS: [&str; 1] = ["PACKHORSE_BROKER"];
/// Read by the role commands as well, in this order.
const ROLES: [&str; 4] = ["PACKHORSE_BROKER", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL"];

/// The broker for a command that can do without one.
pub fn optional(args: &BrokerArgs) -> Result<Option<BrokerUrl>, Failure> {
    find(args, &OURS)
}

/// The broker for a role.
pub fn required(args: &BrokerArgs) -> Result<BrokerUrl, Failure> {
    find(args, &ROLES)?.ok_or_else(|| {
        Failure::usage("no broker: give --broker amqp://USER:PASSWORD@HOST:PORT/VHOST, or set PACKHORSE_BROKER")
    })
}

fn find(args: &BrokerArgs, names: &[&str]) -> Result<Option<BrokerUrl>, Failure> {
    let parse = |text: String| text.trim().parse::<BrokerUrl>().map_err(Failure::usage).map(Some);
    if let Some(url) = &args.broker {
        return parse(url.clone());
    }
    for name in names {
        if let Some(url) = std::env::var(name).ok().filter(|url| !url.is_empty()) {
            return parse(url);
        }
        let Some(path) = std::env::var_os(format!("{name}_FILE")) else { continue };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::usage(format!("cannot read {} (named by {name}_FILE): {error}", path.display()))
        })?;
        return parse(text);
    }
    Ok(None)
}

/// Connects, as patiently as the user wants.
pub async fn reach(url: &BrokerUrl, args: &BrokerArgs) -> Result<Arc<dyn Transport>, Failure> {
    let patience = args.connect_timeout.map(seconds).transpose()?;
    Ok(connect(url, patience).await?)
}

/// A number of seconds from the command line.
pub fn seconds(value: f64) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| Failure::usage(format!("{value} is no number of seconds above 0")))
}
