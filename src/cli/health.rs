//! `packhorse health` and `packhorse ready`: check a role by the heartbeats in its file.

use std::path::PathBuf;

use shared::system::environment;

use super::args::HealthArgs;
use super::heartbeat_file::{Heartbeat, VARIABLE, check};
use super::{Exit, Failure, term};

/// Heartbeat intervals for which a role counts as healthy: one heartbeat may be late on a busy
/// machine, and one may be lost. Restarting a role sooner makes things worse.
const HEALTHY: u64 = 3;

/// Heartbeat intervals for which a role counts as ready.
const READY: u64 = 2;

pub fn health(args: &HealthArgs) -> Result<Exit, Failure> {
    say("healthy", "unhealthy", &check(&file(args)?, HEALTHY))
}

pub fn ready(args: &HealthArgs) -> Result<Exit, Failure> {
    say("ready", "not ready", &check(&file(args)?, READY))
}

fn file(args: &HealthArgs) -> Result<PathBuf, Failure> {
    let missing =
        || Failure::usage(format!("no heartbeat file: give --file FILE, or set {VARIABLE} to the role's file"));
    args.file.clone().or_else(|| environment::path(VARIABLE)).ok_or_else(missing)
}

fn say(well: &str, ill: &str, found: &Result<Heartbeat, String>) -> Result<Exit, Failure> {
    match found {
        Ok(heartbeat) => {
            let Heartbeat { role, process, .. } = heartbeat;
            let age = heartbeat.age();
            term::print(format!("{well}: {role}, process {process}, last heartbeat {age} s ago\n").as_bytes())?;
            Ok(Exit::Success)
        }
        Err(reason) => {
            term::print(format!("{ill}: {reason}\n").as_bytes())?;
            Ok(Exit::ItemsFailed)
        }
    }
}
