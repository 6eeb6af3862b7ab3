//! Jobs that a reducer owns: plan here, and wait if asked to.

use std::sync::Arc;

use producer::plan::files::Naming;
use producer::{ProducerConfig, ProducerError};
use reducer::report::{receipt_json, receipt_text};
use reducer::service::fresh_job_id;
use serde_json::json;
use shared::control::Asker;
use shared::job::{JobSpec, JobStatus};
use shared::transport::{BrokerUrl, Transport};
use shared::workload::files::Selection;

use super::args::{FilesArgs, SubmitArgs};
use super::fetch::Source;
use super::progress::Progress;
use super::watch::Watch;
use super::{Exit, Failure, broker, fetch, files, owned, signals, term};

/// Submits a job, and stays to its end unless told otherwise.
pub async fn run(
    files: &FilesArgs,
    spec: &dyn Fn(Selection) -> JobSpec,
    watch: Option<Watch>,
    args: &SubmitArgs,
) -> Result<Exit, Failure> {
    let url = broker::required(&args.broker)?;
    let (selection, roots) = files::select(files, Naming::Shared)?;
    let id = args.job.clone().unwrap_or_else(fresh_job_id);
    let line = if args.out.json { json!({"schema": 1, "type": "job", "job": id}).to_string() } else { id.to_string() };
    term::print(format!("{line}\n").as_bytes())?;
    let shutdown = signals::listen()?;
    let reached = shutdown.unless_asked(broker::reach(&url, &args.broker)).await;
    let Some(transport) = reached.transpose()? else { return Ok(Exit::Interrupted) };
    let progress = Progress::new(!args.out.quiet && watch.is_none(), false);
    let (shown, watching) = (progress.clone(), watch.clone());
    let config = ProducerConfig {
        job: id.clone(),
        owner: args.owner.clone(),
        spec: spec(selection),
        roots,
        wait: !args.no_wait,
        broker: url.to_string(),
        notify: term::notify(),
        progress: Arc::new(move |status| {
            shown.show(status);
            watching.iter().for_each(|watch| watch.show(status));
        }),
    };
    let result = producer::run(config, Arc::clone(&transport), shutdown.clone()).await;
    progress.clear();
    let told = match &result {
        Ok(Some(status)) => {
            let told = shutdown.unless_asked(tell_failures(&transport, args, &url, status)).await;
            told.unwrap_or(Ok(()))
        }
        _ => Ok(()),
    };
    transport.close().await;
    told?;
    match result {
        Ok(Some(status)) => {
            watch.iter().for_each(|watch| watch.finish(&status));
            if args.out.json {
                term::print(format!("{}\n", receipt_json(&status)).as_bytes())?;
            } else if !args.out.quiet {
                let recompute = format!("packhorse reducer --job {id} | sha256sum");
                term::say(&receipt_text(&status, &recompute));
            }
            Ok(owned::verdict(&status))
        }
        Ok(None) => Ok(Exit::Success),
        Err(ProducerError::Transport(error)) => Err(error.into()),
        Err(error @ ProducerError::Refused(_)) => Err(Failure::usage(error)),
        Err(error @ ProducerError::Stopped(_)) => Err(Failure::new(Exit::Interrupted, error)),
        Err(error) => Err(Failure::unfinished(error)),
    }
}

/// Names the items that failed, as a command does that owns its job.
async fn tell_failures(
    transport: &Arc<dyn Transport>,
    args: &SubmitArgs,
    url: &BrokerUrl,
    status: &JobStatus,
) -> Result<(), Failure> {
    let failed = status.counts.items_failed;
    if failed == 0 {
        return Ok(());
    }
    let asker = Asker::new(Arc::clone(transport)).await?;
    let mut source = Source::new(asker, args.owner.clone(), status.job.clone(), url.to_string());
    let print = |line: &[u8]| term::print(line).map(drop);
    let tell: &dyn Fn(&[u8]) -> Result<(), Failure> = if args.out.json { &print } else { &fetch::complain };
    if !fetch::failures(&mut source, status, tell).await? {
        term::complain(&format!(
            "reducer {} does not answer any more: packhorse reducer --job {} names the {failed} items that failed",
            args.owner, status.job
        ));
    }
    Ok(())
}
