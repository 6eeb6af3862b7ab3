//! Submit and wait: a job that this process plans, owns and reports, over any transport. With
//! workers of its own it is the whole system in one process.

mod follow;
mod plan;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use consumer::ConsumerConfig;
use producer::plan::PlanError;
use producer::planner::BrokenOff;
use reducer::report::ReportError;
use reducer::service::{self, Handle, Kind, OpenError, Opening, ServiceConfig, ServiceError};
use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::job::JobStatus;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, Opened};
use shared::protocol::notice::{Notify, Unserved, Waiting};
use shared::system::clock::Clock;
use shared::system::shutdown::{self, Shutdown};
use shared::system::threads::NoThread;
use shared::transport::{Transport, TransportError};

use follow::Report;
pub use follow::{Frequencies, Output};

/// What a run is told.
#[derive(Clone)]
pub struct RunConfig {
    /// What is to be done.
    pub request: JobRequest,
    /// The local directories of its roots.
    pub roots: Vec<PathBuf>,
    /// Workers in this process, if any.
    pub workers: Option<ConsumerConfig>,
    /// Whether the store outlives the run, so that another may go on.
    pub is_kept: bool,
    /// Unanswered tasks at a time; see [`limits::WINDOW_MIN`].
    pub window: Option<usize>,
    /// Whether a plan that is complete from a run before is made again, to see whether what it is over has changed.
    pub recheck: bool,
    /// Where the report goes.
    pub output: Output,
    /// The broker, as notices show it.
    pub broker: String,
    /// Told once, when the job is committed: under which id, and what was there before.
    pub opened: Arc<dyn Fn(&Opened) + Send + Sync>,
    /// Takes notices.
    pub notify: Notify,
    /// Takes the job's account while it runs.
    pub progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
}

/// A run could not finish.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The owner failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The job cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The plan cannot go on.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The plan broke off.
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    /// The plan has no thread.
    #[error(transparent)]
    Thread(#[from] NoThread),
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The job that was to go on is about another place.
    #[error(
        "job {0} was begun in another place, or before its directories were replaced, and is about other files. Give \
         this one another --job ID, or none"
    )]
    FromElsewhere(JobId),
    /// Asked to stop before the end.
    #[error("stopped before the job was done")]
    Stopped,
}

/// Runs a job to its end and gives its account.
pub async fn run(
    config: RunConfig,
    store: Opening,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<JobStatus, RunError> {
    // The order of stopping is the reverse of the flow: workers first, so that their last outcomes
    // still find the owner, then the owner, then the transport.
    let (stop_workers, workers_stop) = shutdown::channel();
    let (stop_owner, owner_stop) = shutdown::channel();
    let owner = ServiceConfig {
        store,
        kind: Kind::Command { spec: Box::new(config.request.spec.clone()) },
        window: config.window,
        heartbeat: config.workers.as_ref().map_or(limits::HEARTBEAT, |workers| workers.heartbeat),
    };
    let started = service::start(owner, Arc::clone(&transport), owner_stop);
    let handle = match unless(&shutdown, async { Ok(started.await?) }).await {
        Ok(handle) => handle,
        Err(error) => {
            transport.close().await;
            return Err(error);
        }
    };
    let workers = config.workers.clone().map(|workers| {
        let transport = Arc::clone(&transport);
        tokio::spawn(consumer::run(workers, transport, workers_stop))
    });
    let result = match unless(&shutdown, open(&config, &handle)).await {
        Ok(opened) => drive(&config, &handle, opened, &shutdown).await,
        Err(error) => Err(error),
    };
    stop_workers.stop();
    if let Some(workers) = workers {
        // It stops within its own limit, and its failure has shown as the job's.
        let _ = workers.await;
    }
    stop_owner.stop();
    let _ = tokio::time::timeout(limits::STOP_TIMEOUT, handle.ended()).await;
    transport.close().await;
    result
}

/// Does this until a stop is asked for.
async fn unless<T>(shutdown: &Shutdown, doing: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    shutdown.unless_asked(doing).await.unwrap_or(Err(RunError::Stopped))
}

async fn open(config: &RunConfig, handle: &Handle) -> Result<Opened, RunError> {
    let opened = handle.open(config.request.clone()).await?;
    (config.opened)(&opened);
    Ok(opened)
}

async fn drive(
    config: &RunConfig,
    handle: &Handle,
    opened: Opened,
    shutdown: &Shutdown,
) -> Result<JobStatus, RunError> {
    // Before the walk, which counts what it leaves out: no run is to count otherwise than the one before.
    let sink = config.output.target.begin()?;
    let retraced = async {
        tokio::select! {
            biased;
            rest = plan::retrace(config, handle, opened) => rest,
            ended = ended(handle) => ended,
        }
    };
    let plan::Rest { opened, to_plan } = unless(shutdown, retraced).await?;
    let (job, opening) = (opened.job, opened.opening);
    let mut report = follow::spawn(handle, &job, &opening, config.output.clone(), sink);
    let plan = plan::plan(handle, &job, to_plan);
    let watch = watch(config, handle, &job);
    let whole = async {
        tokio::select! {
            biased;
            result = finish(handle, &job, &opening, &mut report) => result,
            result = ended(handle) => result,
            // A plan that ends well leaves the rest to the others.
            Err(error) = async { tokio::try_join!(biased; plan, async { watch.await; Ok(()) }) } => Err(error),
        }
    };
    let result = unless(shutdown, whole).await;
    report.stop().await;
    result
}

/// The owner has ended before the job.
async fn ended<T>(handle: &Handle) -> Result<T, RunError> {
    handle.ended().await.map_err(RunError::from).and(Err(RunError::Stopped))
}

/// Shows progress, and says when nobody does the work.
async fn watch(config: &RunConfig, handle: &Handle, job: &JobId) {
    let (clock, mut unserved, mut waiting) = (Clock::start(), Unserved::default(), Waiting::default());
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Some(status) = handle.status(job).await else { return };
        (config.progress)(&status);
        if let Some(text) = unserved.check(&config.request.spec, &status, &config.broker, clock.now()) {
            (config.notify)(text);
        }
        if let Some(text) = waiting.check(job, status.waits.clone(), clock.now()) {
            (config.notify)(text);
        }
        if status.state.is_over() {
            return;
        }
    }
}

async fn finish(handle: &Handle, job: &JobId, opening: &OpeningId, report: &mut Report) -> Result<JobStatus, RunError> {
    let sha256 = report.written().await?;
    handle.reported(job.clone(), opening.clone(), sha256).await;
    handle.finished(opening).await?;
    handle.status(job).await.ok_or(RunError::Stopped)
}
