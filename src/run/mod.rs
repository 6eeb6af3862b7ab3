//! Submit and wait: runs a job that this process plans, owns and reports, over any transport. With
//! workers in this process, it is the whole system in one process.

mod follow;
mod link;
mod plan;
mod station;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use consumer::ConsumerConfig;
use producer::{Client, ClientConfig, ProducerError};
use reducer::owner::Reached;
use reducer::report::ReportError;
use reducer::service::{Handle, Kind, Opening, ServiceConfig, ServiceError};
use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::job::JobStatus;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, Opened};
use shared::protocol::notice::Notify;
use shared::system::shutdown::Shutdown;
use shared::transport::Transport;
use tokio::sync::watch;

use follow::Report;
pub use follow::{Output, SideOutput};
pub use link::Local;
pub(crate) use station::Station;

/// Interval of status requests to the owner in this process. It asks no broker.
const LOOK: Duration = Duration::from_millis(100);

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
    Service(#[from] ServiceError),
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The job that was to be resumed was planned for other directories.
    #[error(
        "job {0} was planned for other directories, or its directories were replaced since; give another --job ID, or \
         none"
    )]
    FromElsewhere(JobId),
    /// The job was not submitted, for another reason.
    #[error(transparent)]
    Client(ProducerError),
    #[error("stopped before the job was done")]
    Stopped,
}

impl From<ProducerError> for RunError {
    fn from(error: ProducerError) -> Self {
        match error {
            ProducerError::Overtaken(job) => Self::FromElsewhere(job),
            ProducerError::Stopped(_) => Self::Stopped,
            error => Self::Client(error),
        }
    }
}

/// Runs a job to its end and gives its final status.
pub async fn run(
    config: RunConfig,
    store: Opening,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<JobStatus, RunError> {
    let owner = ServiceConfig {
        store,
        kind: Kind::Command { spec: Box::new(config.request.spec.clone()) },
        window: config.window,
        heartbeat: config.workers.as_ref().map_or(limits::HEARTBEAT, |workers| workers.heartbeat),
        keep: None,
    };
    let started = Station::start(owner, Arc::clone(&transport));
    let mut station = match unless(&shutdown, async { Ok(started.await?) }).await {
        Ok(station) => station,
        Err(error) => {
            transport.close().await;
            return Err(error);
        }
    };
    if let Some(workers) = config.workers.clone() {
        station.add_workers(workers);
    }
    let result = drive(&config, &station.handle, &shutdown).await;
    station.end(true).await;
    result
}

/// Awaits `doing`, unless a stop is requested first.
async fn unless<T>(shutdown: &Shutdown, doing: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    shutdown.unless_asked(doing).await.unwrap_or(Err(RunError::Stopped))
}

async fn drive(config: &RunConfig, handle: &Handle, shutdown: &Shutdown) -> Result<JobStatus, RunError> {
    let mut client =
        Client::new(submission(config, handle), Local::new(handle), plan::source(config, handle), shutdown.clone());
    let opened = while_owned(handle, client.open()).await?;
    (config.opened)(&opened);
    // Open the output before the walk: the walk counts this run's own files, which it leaves out,
    // and a repeated run must count the same.
    let sink = config.output.target.begin()?;
    // The report must not begin before it is known whether the tasks of an earlier run still hold.
    let Opened { job, opening, .. } = while_owned(handle, client.settle()).await?;
    let following = handle.follow(job.clone(), opening.clone()).await;
    let mut report = follow::spawn(handle, &job, following.clone(), config.output.clone(), sink);
    let whole = async {
        tokio::select! {
            biased;
            result = finish(handle, &job, opening, following, &mut report) => result,
            result = ended(handle) => result,
            // A plan that succeeds does not end the run; the other branches do.
            Err(error) = client.finish() => Err(error.into()),
        }
    };
    let result = unless(shutdown, whole).await;
    report.stop().await;
    result
}

fn submission(config: &RunConfig, handle: &Handle) -> ClientConfig {
    ClientConfig {
        request: config.request.clone(),
        owner: handle.owner().clone(),
        wait: true,
        recheck: config.recheck,
        look: LOOK,
        broker: config.broker.clone(),
        notify: Arc::clone(&config.notify),
        progress: Arc::clone(&config.progress),
    }
}

/// Awaits `doing`, as long as the owner runs.
async fn while_owned<T>(handle: &Handle, doing: impl Future<Output = Result<T, ProducerError>>) -> Result<T, RunError> {
    tokio::select! {
        biased;
        done = doing => Ok(done?),
        ended = ended(handle) => ended,
    }
}

/// Waits for the owner to end, which is a failure as long as the job runs.
async fn ended<T>(handle: &Handle) -> Result<T, RunError> {
    handle.ended().await.map_err(RunError::from).and(Err(RunError::Stopped))
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
