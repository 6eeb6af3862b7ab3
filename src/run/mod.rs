//! Submit and wait: runs a job that this process plans, owns and reports, over any transport. With
//! workers in this process, it is the whole system in one process.

mod follow;
mod plan;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use consumer::ConsumerConfig;
use producer::plan::PlanError;
use producer::planner::BrokenOff;
use reducer::owner::Reached;
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
use tokio::sync::watch;

use follow::Report;
pub use follow::{Output, SideOutput};

#[derive(Clone)]
pub struct RunConfig {
    pub request: JobRequest,
    /// The local directories of the request's roots, in the same order.
    pub roots: Vec<PathBuf>,
    /// Workers in this process; `None` if consumers elsewhere do the tasks.
    pub workers: Option<ConsumerConfig>,
    /// Whether the store outlives the run, so that a later run can resume the job.
    pub is_kept: bool,
    /// Limit on unanswered tasks; see [`limits::WINDOW_MIN`] for the default.
    pub window: Option<usize>,
    /// Whether a plan that an earlier run completed is made again, to find out whether its files
    /// have changed.
    pub recheck: bool,
    pub output: Output,
    /// The broker's URL without its password, for notices.
    pub broker: String,
    /// Called once, when the owner has committed the job.
    pub opened: Arc<dyn Fn(&Opened) + Send + Sync>,
    pub notify: Notify,
    /// Called with the job's status while it runs.
    pub progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
}

/// Why a run could not finish.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    #[error(transparent)]
    Thread(#[from] NoThread),
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The job that was to be resumed was planned for other directories.
    #[error(
        "job {0} was planned for other directories, or its directories were replaced since; give another --job ID, or \
         none"
    )]
    FromElsewhere(JobId),
    #[error("stopped before the job was done")]
    Stopped,
}

/// Runs a job to its end and gives its final status.
pub async fn run(
    config: RunConfig,
    store: Opening,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<JobStatus, RunError> {
    // Parts stop in the reverse order of the flow of work: workers first, so that their last
    // outcomes still reach the owner, then the owner, then the transport.
    let (stop_workers, workers_stop) = shutdown::channel();
    let (stop_owner, owner_stop) = shutdown::channel();
    let owner = ServiceConfig {
        store,
        kind: Kind::Command { spec: Box::new(config.request.spec.clone()) },
        window: config.window,
        heartbeat: config.workers.as_ref().map_or(limits::HEARTBEAT, |workers| workers.heartbeat),
        keep: None,
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
        // The consumer stops within its own time limit. If it failed, the job has failed as well.
        let _ = workers.await;
    }
    stop_owner.stop();
    let _ = tokio::time::timeout(limits::STOP_TIMEOUT, handle.ended()).await;
    transport.close().await;
    result
}

/// Awaits `doing`, unless a stop is requested first.
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
    // Open the output before the walk: the walk counts this run's own files, which it leaves out,
    // and a repeated run must count the same.
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
    let following = handle.follow(job.clone(), opening.clone()).await;
    let mut report = follow::spawn(handle, &job, following.clone(), config.output.clone(), sink);
    let plan = plan::plan(handle, &job, to_plan);
    let watch = watch(config, handle, &job);
    let whole = async {
        tokio::select! {
            biased;
            result = finish(handle, &job, opening, following, &mut report) => result,
            result = ended(handle) => result,
            // A plan that succeeds does not end the run; the other branches do.
            Err(error) = async { tokio::try_join!(biased; plan, async { watch.await; Ok(()) }) } => Err(error),
        }
    };
    let result = unless(shutdown, whole).await;
    report.stop().await;
    result
}

/// Waits for the owner to end, which is a failure as long as the job runs.
async fn ended<T>(handle: &Handle) -> Result<T, RunError> {
    handle.ended().await.map_err(RunError::from).and(Err(RunError::Stopped))
}

/// Shows progress, and tells the user what the job waits for, for instance a consumer.
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

async fn finish(
    handle: &Handle,
    job: &JobId,
    opening: OpeningId,
    following: watch::Receiver<Reached>,
    report: &mut Report,
) -> Result<JobStatus, RunError> {
    let sha256 = report.written().await?;
    handle.reported(job.clone(), opening, sha256).await;
    handle.finished(following).await?;
    handle.status(job).await.ok_or(RunError::Stopped)
}
