//! `producer`: submits a job to a reducer.

use std::sync::Arc;

use producer::plan::files::Naming;
use producer::{ProducerConfig, ProducerError};
use reducer::report::receipt_text;
use reducer::service::fresh_job_id;
use serde_json::json;

use super::args::{ProducerArgs, ProducerJob, ProducerSha1Args};
use super::progress::Progress;
use super::{Exit, Failure, broker, digest, sha1, signals, term};

/// Runs the command.
pub async fn run(args: ProducerArgs) -> Result<Exit, Failure> {
    match args.job {
        ProducerJob::Sha1(args) => sha1(args).await,
    }
}

async fn sha1(args: ProducerSha1Args) -> Result<Exit, Failure> {
    let url = broker::required(&args.broker)?;
    let (spec, roots) = digest::job(&args.files, Naming::Shared)?;
    let job = args.job.clone().unwrap_or_else(fresh_job_id);
    let line =
        if args.out.json { json!({"schema": 1, "type": "job", "job": job}).to_string() } else { job.to_string() };
    term::print(format!("{line}\n").as_bytes())?;
    let shutdown = signals::listen()?;
    let transport = tokio::select! {
        biased;
        () = shutdown.asked() => return Ok(Exit::Interrupted),
        transport = broker::reach(&url, &args.broker) => transport?,
    };
    let progress = Progress::new(!args.out.quiet, false);
    let shown = progress.clone();
    let config = ProducerConfig {
        job: job.clone(),
        owner: args.owner.clone(),
        spec,
        roots,
        wait: !args.no_wait,
        broker: url.to_string(),
        notify: term::notify(),
        progress: Arc::new(move |status| shown.show(status)),
    };
    let result = producer::run(config, Arc::clone(&transport), shutdown).await;
    progress.clear();
    transport.close().await;
    match result {
        Ok(Some(status)) => {
            if args.out.json {
                sha1::receipt(&status, None, true, args.out.quiet)?;
            } else if !args.out.quiet {
                let recompute = format!("packhorse reducer --job {job} | sha256sum");
                term::say(&receipt_text(&status, &recompute));
            }
            Ok(sha1::verdict(&status))
        }
        Ok(None) => Ok(Exit::Success),
        Err(ProducerError::Transport(error)) => Err(error.into()),
        Err(error @ ProducerError::Refused(_)) => Err(Failure::usage(error)),
        Err(error @ ProducerError::Stopped(_)) => Err(Failure::new(Exit::Interrupted, error)),
        Err(error) => Err(Failure::unfinished(error)),
    }
}
