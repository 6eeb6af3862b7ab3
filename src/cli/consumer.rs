//! `consumer`: does tasks from a broker.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use consumer::ConsumerConfig;
use consumer::work::Site;
use shared::id::Class;
use shared::topology;
use shared::workload::Workload;
use shared::workload::files::Root;
use shared::workload::steps;

use super::args::ConsumerArgs;
use super::health::{Signs, give_signs};
use super::{Exit, Failure, broker, owned, signals};

/// Runs the command.
pub async fn run(args: ConsumerArgs) -> Result<Exit, Failure> {
    let url = broker::required(&args.broker)?;
    let mut site = Site::new();
    for root in &args.roots {
        let bytes = root.as_bytes();
        let at = bytes.iter().position(|&byte| byte == b'=').filter(|&at| at > 0);
        let name = at.and_then(|at| std::str::from_utf8(&bytes[..at]).ok());
        let (Some(at), Some(name)) = (at, name) else {
            return Err(Failure::usage(format!("--root {}: write NAME=DIR", root.display())));
        };
        let directory = PathBuf::from(std::ffi::OsString::from_vec(bytes[at + 1..].to_vec()));
        site.add_root(name, &directory).map_err(Failure::usage)?;
    }
    if args.follow_outside {
        site.allow_follow_outside();
    }
    let serves = serves(&args.workloads, &site)?;
    let mut config = ConsumerConfig::new(site, serves);
    config.slots = owned::slots_or_cores(args.slots)?;
    config.prefetch = args.prefetch;
    config.heartbeat = broker::seconds(args.heartbeat)?;
    let served: Vec<String> = config.serves.iter().map(|(workload, class)| format!("{workload}/{class}")).collect();
    let shutdown = signals::listen()?;
    let transport = tokio::select! {
        biased;
        () = shutdown.asked() => return Ok(Exit::Success),
        transport = broker::reach(&url, &args.broker) => transport?,
    };
    tracing::info!(slots = config.slots, serves = served.join(" "), broker = %url, "The consumer is ready.");
    let signs = Signs::from_env("consumer", config.heartbeat)?;
    let watched = topology::tasks(config.serves[0].0, &config.serves[0].1).0.name;
    let turns = Arc::clone(&config.turns);
    let result = tokio::select! {
        biased;
        result = consumer::run(config, Arc::clone(&transport), shutdown) => result,
        () = give_signs(signs, &transport, &watched, || turns.notified()) => Ok(()),
    };
    transport.close().await;
    result?;
    tracing::info!("The consumer has stopped.");
    Ok(Exit::Success)
}

/// What it subscribes to: file workloads by its roots, others by the class that anyone serves.
fn serves(wanted: &[Workload], site: &Site) -> Result<Vec<(Workload, Class)>, Failure> {
    let wanted = if wanted.is_empty() { &Workload::ALL[..] } else { wanted };
    let mut serves = Vec::new();
    for &workload in wanted {
        match workload {
            Workload::Digest | Workload::Words => {
                serves.extend(site.root_names().map(|name| (workload, Root::class_of(name))))
            }
            Workload::Steps => serves.push((workload, steps::class())),
        }
    }
    serves.sort();
    serves.dedup();
    if serves.is_empty() {
        return Err(Failure::usage("nothing to serve: digest and words need at least one --root NAME=DIR"));
    }
    Ok(serves)
}
