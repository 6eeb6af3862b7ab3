//! `consumer`: does tasks from a broker.

use std::process::ExitCode;
use std::sync::Arc;

use consumer::isolation::{self, Isolation};
use consumer::work::{Compare, Site};
use consumer::{ConsumerConfig, Workers};
use shared::protocol::id::Class;
use shared::protocol::limits;
use shared::protocol::workload::Workload;

use super::args::ConsumerArgs;
use super::heartbeat_file::{HeartbeatFile, keep_writing};
use super::{Exit, Failure, broker, roots, signals, slots, term};

/// Runs as the isolated child of another consumer, until that consumer closes the pipe.
pub fn isolated() -> ExitCode {
    match isolation::serve() {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            term::complain(&format!("cannot work in isolation: {error}"));
            Exit::Unfinished.into()
        }
    }
}

/// How this program starts itself as an isolated child. `words` are the words of its command line
/// before the options.
fn isolation(words: &[&str]) -> Option<Isolation> {
    let mut args: Vec<_> = words.iter().map(Into::into).collect();
    args.push("--isolated".into());
    // The program that runs now, even if another one has been installed under its name since.
    let program = if cfg!(target_os = "linux") { Some("/proc/self/exe".into()) } else { std::env::current_exe().ok() };
    program.map(|program| Isolation { program, args })
}

/// `words` are the words of the command line before the command's own options.
pub async fn run(args: ConsumerArgs, words: &[&str], workers: Workers) -> Result<Exit, Failure> {
    let url = broker::required(&args.broker)?;
    let mut site = Site::new();
    for text in &args.roots {
        let (name, directory) = roots::named(text)?;
        site.add_root(name, directory).map_err(Failure::usage)?;
    }
    if args.follow_outside {
        site.allow_follow_outside();
    }
    site.compare(if args.ignore_times { Compare::Sizes } else { Compare::Times });
    let serves = serves(&args.workloads, &site, &workers)?;
    let mut config = ConsumerConfig::new(site, serves);
    config.workers = workers;
    config.slots = slots::or_cores(args.slots)?;
    config.prefetch = args.prefetch;
    config.isolation = isolation(words).map(Arc::new);
    config.heartbeat = args.heartbeat;
    config.ack_timeout = args.ack_timeout;
    if config.ack_timeout < config.heartbeat * limits::ACK_TIMEOUT_HEARTBEATS {
        return Err(Failure::usage(format!(
            "--ack-timeout {} is shorter than four heartbeats of {} s: the lease on a long task could come too late, \
             and the broker would take the task back. Give a shorter --heartbeat, or raise the time-out at the \
             broker (consumer_timeout) and here",
            args.ack_timeout.as_secs_f64(),
            args.heartbeat.as_secs_f64()
        )));
    }
    let served = config.serves.iter().map(|(workload, class)| format!("{workload}/{class}"));
    let workers = config.workers.names().map(|name| format!("{}/{name}", Workload::Call));
    let served: Vec<String> = served.chain(workers).collect();
    let shutdown = signals::listen()?;
    // Remove the heartbeat of an earlier process before connecting: it says nothing about this
    // process.
    let heartbeats = HeartbeatFile::from_env("consumer", config.heartbeat)?;
    let reached = shutdown.unless_asked(broker::reach(&url, &args.broker)).await;
    let Some(transport) = reached.transpose()? else { return Ok(Exit::Success) };
    tracing::info!(slots = config.slots, serves = served.join(" "), broker = %url, "The consumer is ready.");
    let turns = Arc::clone(&config.turns);
    let result = tokio::select! {
        biased;
        result = consumer::run(config, Arc::clone(&transport), shutdown) => result,
        () = keep_writing(heartbeats, &transport, || turns.notified()) => Ok(()),
    };
    transport.close().await;
    result?;
    tracing::info!("The consumer has stopped.");
    Ok(Exit::Success)
}

/// What the consumer subscribes to: file workloads with the classes of its roots, other workloads
/// with the class that every consumer serves.
fn serves(wanted: &[Workload], site: &Site, workers: &Workers) -> Result<Vec<(Workload, Class)>, Failure> {
    let wanted = if wanted.is_empty() { &Workload::ALL[..] } else { wanted };
    let mut serves = Vec::new();
    for &workload in wanted {
        let classes = workload.descriptor().classes.for_roots(site.root_names());
        serves.extend(classes.into_iter().map(|class| (workload, class)));
    }
    serves.sort();
    serves.dedup();
    if serves.is_empty() && workers.names().next().is_none() {
        return Err(Failure::usage("nothing to serve: digest and words need at least one --root NAME=DIR"));
    }
    Ok(serves)
}
