//! Jobs that a reducer owns: the command plans, and by default waits for the job's end.

use std::path::PathBuf;
use std::sync::Arc;

use producer::client::source::Repeatable;
use producer::plan::files::Naming;
use producer::{Client, ClientConfig, ProducerError, Remote};
use reducer::service::fresh_job_id;
use serde_json::json;
use shared::protocol::id::JobId;
use shared::protocol::job::JobStatus;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, Opened};
use shared::system::environment;
use shared::system::shutdown::Shutdown;
use shared::transport::ask::Asker;
use shared::transport::{BrokerUrl, Transport};

use super::args::{OutputArgs, SubmitArgs};
use super::asked::Asked;
use super::fetch::Source;
use super::progress::Progress;
use super::watch::Watch;
use super::{Exit, Failure, broker, ending, fetch, owned, signals, term};

/// Submits a job, and waits for its end unless --no-wait is given.
pub async fn run(
    ask: &dyn Fn(Naming) -> Result<Asked, Failure>,
    watch: Option<Watch>,
    args: &SubmitArgs,
) -> Result<Exit, Failure> {
    let url = broker::required(&args.broker)?;
    let Asked { spec, origin, roots } = ask(Naming::Shared)?;
    let given = given_id(args)?;
    let request = JobRequest {
        job: given.clone().unwrap_or_else(fresh_job_id),
        spec,
        origin: Some(origin),
        resume: given.is_none(),
        report: args.report.clone(),
        priority: args.priority,
        instead_of: None,
    };
    // A given id is printed before the broker is reached; any other id is printed when the job is
    // open.
    given.map_or_else(term::can_print, |job| print_id(&job, args.out))?;
    let shutdown = signals::listen()?;
    let reached = shutdown.unless_asked(broker::reach(&url, &args.broker)).await;
    let Some(transport) = reached.transpose()? else { return Ok(Exit::Interrupted) };
    let progress = Progress::new(!args.out.quiet && watch.is_none(), false);
    let (shown, watching) = (progress.clone(), watch.clone());
    let config = ClientConfig {
        request: request.clone(),
        owner: args.owner.clone(),
        wait: !args.no_wait,
        recheck: !args.recheck.no_recheck,
        look: limits::STATUS_INTERVAL,
        broker: url.to_string(),
        notify: term::notify(),
        progress: Arc::new(move |status| {
            shown.show(status);
            watching.iter().for_each(|watch| watch.show(status));
        }),
    };
    // If the job is never opened, the command fails for another reason.
    let mut named = Ok(false);
    let opened = |opened: &Opened| named = name(&request, opened, args);
    let result = submit(config, roots, Arc::clone(&transport), shutdown.clone(), opened).await;
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
    let is_unseen = named?;
    match result {
        Ok(Some(status)) => {
            watch.iter().for_each(|watch| watch.finish(&status));
            let recompute = format!("packhorse reducer --job {} | sha256sum", status.job);
            ending::receipt(&status, &recompute, args.out, is_unseen)?;
            Ok(ending::verdict(&status, is_unseen))
        }
        Ok(None) => Ok(Exit::Success),
        Err(ProducerError::Transport(error)) => Err(error.into()),
        Err(error @ ProducerError::Refused(_)) => Err(Failure::usage(error)),
        Err(error @ ProducerError::Stopped(_)) => Err(Failure::new(Exit::Interrupted, error)),
        Err(error) => Err(Failure::unfinished(error)),
    }
}

/// Calls `opened` when the owner has committed the job.
async fn submit(
    config: ClientConfig,
    roots: Vec<PathBuf>,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
    opened: impl FnOnce(&Opened),
) -> Result<Option<JobStatus>, ProducerError> {
    let link = shutdown.unless_asked(Remote::new(transport, config.owner.clone())).await;
    let link = link.ok_or_else(|| ProducerError::Stopped(config.request.job.clone()))??;
    let source = Repeatable::of(config.request.spec.clone(), roots);
    let mut client = Client::new(config, link, source, shutdown);
    opened(&client.open().await?);
    client.finish().await
}

/// The job's id, if the user gave one as a flag or in the environment.
fn given_id(args: &SubmitArgs) -> Result<Option<JobId>, Failure> {
    const NAME: &str = "PACKHORSE_JOB";
    if args.job.is_some() {
        return Ok(args.job.clone());
    }
    let id = environment::text(NAME).map_err(Failure::usage)?;
    id.map(|id| id.parse().map_err(|error| Failure::usage(format!("{NAME}: {error}")))).transpose()
}

/// Tells the user how the job was opened, and prints an id that the user did not give. Returns
/// whether the job is resumed without checking for changes.
fn name(request: &JobRequest, opened: &Opened, args: &SubmitArgs) -> Result<bool, Failure> {
    owned::tell_opened(request, opened, !args.recheck.no_recheck, args.out.quiet);
    if request.resume {
        print_id(&opened.job, args.out)?;
    }
    Ok(args.recheck.no_recheck && opened.has_whole_plan())
}

fn print_id(job: &JobId, out: OutputArgs) -> Result<(), Failure> {
    let line = if out.json { json!({"schema": 1, "type": "job", "job": job}).to_string() } else { job.to_string() };
    term::print(format!("{line}\n").as_bytes()).map(drop)
}

/// Prints the failed items, as a command does that owns its job.
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
            "reducer {} does not answer any more; packhorse reducer --job {} lists the {failed} items that failed",
            args.owner, status.job
        ));
    }
    Ok(())
}
