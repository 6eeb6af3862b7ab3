//! Pools: calls of a user's worker, in this process or on consumers over a broker. This process owns
//! the pool's job.
//!
//! ```no_run
//! use packhorse::pool::{self, MessagePack, Pool, PoolConfig, Slot, Worker, WorkerError};
//!
//! struct Square;
//!
//! impl Worker for Square {
//!     const NAME: &'static str = "square";
//!     type Init = ();
//!     type Job = i64;
//!     type Update = ();
//!     type Output = i64;
//!     type Codec = MessagePack;
//!
//!     fn init((): (), _: Slot) -> Result<Self, WorkerError> {
//!         Ok(Self)
//!     }
//!
//!     fn run(&mut self, number: i64) -> Result<i64, WorkerError> {
//!         number.checked_mul(number).ok_or_else(|| "too large".into())
//!     }
//! }
//!
//! # async fn squares() -> Result<(), pool::PoolError> {
//! let pool: Pool<Square> = pool::open(PoolConfig::embedded(4), &()).await?;
//! assert_eq!(pool.map(0..3).await?, [0, 1, 4]);
//! pool.close().await
//! # }
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use consumer::ConsumerConfig;
use consumer::work::Site;
use reducer::owner::Reached;
use reducer::service::{self, Handle, Kind, Opening, ServiceConfig, Streamed, command_owner_id, fresh_job_id};
use reducer::store::Place as StorePlace;
use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{self, JobRequest, Opened, PlanEnd, Planned};
use shared::protocol::payload::Payload;
use shared::protocol::workload::call;
use shared::system::shutdown::{self, Stopper};
use shared::transport::{BrokerUrl, Transport, connect};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use consumer::Workers;
pub use producer::pool::{CallOptions, Pool, PoolError, Results};
use producer::pool::{Home, News, Stream};
pub use shared::protocol::workload::call::{
    CallError, CallErrorKind, Codec, CodecError, Json, MessagePack, Slot, Worker, WorkerError,
};

/// Tasks of a pool that may be out. The pool itself sends two packs for each slot.
const WINDOW: usize = limits::WINDOW_MAX;

/// A pool has no report: the SHA-256 of no bytes.
const NO_REPORT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Where a pool's calls are done, and how they are packed.
#[derive(Clone)]
pub struct PoolConfig {
    pub place: Place,
    /// Calls in each pack; `None`: as many as seems best.
    pub pack: Option<u32>,
}

/// Where a pool's calls are done.
#[derive(Clone)]
pub enum Place {
    /// In this process, by so many workers, each on a thread of its own.
    Here { slots: u32 },
    /// By the workers of all consumers at this broker that know the kind of worker.
    Broker(Box<BrokerUrl>),
    /// The same on a transport that is connected already. The pool closes it at its end.
    Transport(Arc<dyn Transport>),
}

impl PoolConfig {
    /// This many workers in this process, each on a thread of its own.
    pub fn embedded(slots: u32) -> Self {
        Self { place: Place::Here { slots }, pack: None }
    }

    /// The workers of all consumers at this broker that know the kind of worker.
    pub fn broker(url: BrokerUrl) -> Self {
        Self { place: Place::Broker(Box::new(url)), pack: None }
    }
}

/// Opens a pool, whose workers begin with `init`. Call it within a tokio runtime of several threads.
pub async fn open<W: Worker>(config: PoolConfig, init: &W::Init) -> Result<Pool<W>, PoolError> {
    let spec = producer::pool::spec::<W>(fresh_job_id(), init)?;
    let url = match &config.place {
        Place::Broker(url) => BrokerUrl::clone(url),
        Place::Here { .. } | Place::Transport(_) => BrokerUrl::embedded(),
    };
    let store = Opening::begin(StorePlace::Memory, command_owner_id(url.user()));
    let (transport, workers) = match config.place {
        Place::Transport(transport) => (transport, None),
        Place::Broker(_) => (connected(&url).await?, None),
        Place::Here { slots: 0 } => return Err(PoolError::Refused("a pool needs at least one slot".to_owned())),
        Place::Here { slots } => {
            let workers = Workers::new().with::<W>();
            let workers = ConsumerConfig { workers, slots, ..ConsumerConfig::new(Site::new(), Vec::new()) };
            (connected(&url).await?, Some(workers))
        }
    };
    let home = Local::start(spec.clone(), store, Arc::clone(&transport), workers).await;
    let (home, opened, stream) = match home {
        Ok(started) => started,
        Err(error) => {
            transport.close().await;
            return Err(PoolError::Stopped(error));
        }
    };
    Ok(Pool::new(Arc::new(home), Box::new(Streams(stream)), &spec, &opened, config.pack))
}

async fn connected(url: &BrokerUrl) -> Result<Arc<dyn Transport>, PoolError> {
    connect(url, None).await.map_err(|error| PoolError::Stopped(error.to_string()))
}

/// The owner of the pool's job, and what runs beside it.
struct Local {
    handle: Handle,
    job: JobId,
    opening: OpeningId,
    following: watch::Receiver<Reached>,
    stop_owner: Stopper,
    workers: Mutex<Option<(Stopper, JoinHandle<()>)>>,
    transport: Arc<dyn Transport>,
}

impl Local {
    async fn start(
        spec: call::Spec,
        store: Opening,
        transport: Arc<dyn Transport>,
        workers: Option<ConsumerConfig>,
    ) -> Result<(Self, Opened, mpsc::UnboundedReceiver<Streamed>), String> {
        let request = JobRequest::new(spec.pool.clone(), JobSpec::Call(spec));
        let (stop_owner, owner_stop) = shutdown::channel();
        let owner = ServiceConfig {
            store,
            kind: Kind::Command { spec: Box::new(request.spec.clone()) },
            window: Some(WINDOW),
            heartbeat: limits::HEARTBEAT,
            keep: None,
        };
        let handle = service::start(owner, Arc::clone(&transport), owner_stop).await;
        let handle = handle.map_err(|error| error.to_string())?;
        let workers = workers.map(|workers| {
            let (stop, stopped) = shutdown::channel();
            let run = consumer::run(workers, Arc::clone(&transport), stopped);
            let run = tokio::spawn(async move {
                if let Err(error) = run.await {
                    tracing::error!(%error, "The workers of a pool have stopped.");
                }
            });
            (stop, run)
        });
        let opened = handle.open(request).await.map_err(|error| error.to_string())?;
        let (job, opening) = (opened.job.clone(), opened.opening.clone());
        let following = handle.follow(job.clone(), opening.clone()).await;
        let stream = handle.stream(job.clone(), opening.clone()).await;
        let workers = Mutex::new(workers);
        Ok((Self { handle, job, opening, following, stop_owner, workers, transport }, opened, stream))
    }

    async fn finish(&self) -> Result<JobStatus, String> {
        let mut following = self.following.clone();
        let ended = async {
            match self.handle.ended().await {
                Ok(()) => "its owner has ended".to_owned(),
                Err(error) => error.to_string(),
            }
        };
        let over = async {
            let over = following.wait_for(|reached| reached.is_over || reached.is_finished).await.map(drop);
            over.map_err(|_| "its owner has ended".to_owned())?;
            self.handle.reported(self.job.clone(), self.opening.clone(), NO_REPORT.to_owned()).await;
            self.handle.finished(self.following.clone()).await.map_err(|error| error.to_string())?;
            self.status().await.ok_or_else(|| "its owner has ended".to_owned())
        };
        tokio::select! {
            biased;
            over = over => over,
            error = ended => Err(error),
        }
    }
}

#[async_trait]
impl Home for Local {
    async fn plan(&self, place: message::Place, planned: Box<Planned>) -> bool {
        self.handle.planned(self.job.clone(), place, planned).await
    }

    async fn end_plan(&self, place: message::Place, tasks: u64) {
        self.handle.end_plan(PlanEnd { job: self.job.clone(), tasks }, place).await;
    }

    async fn taken(&self, numbers: Vec<u64>) {
        self.handle.taken(self.job.clone(), self.opening.clone(), numbers).await;
    }

    async fn update(&self, update: Payload, replaces: bool) -> Result<u64, String> {
        let updated = self.handle.update(self.job.clone(), self.opening.clone(), update, replaces).await;
        updated.map_err(|error| error.to_string())
    }

    async fn status(&self) -> Option<JobStatus> {
        self.handle.status(&self.job).await
    }

    async fn cancel(&self) {
        self.handle.cancel(self.job.clone(), self.opening.clone()).await;
    }

    /// Parts stop in the reverse order of the flow of work.
    async fn end(&self) -> Result<JobStatus, String> {
        let finished = self.finish().await;
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, workers)) = workers {
            stop.stop();
            let is_cancelled = finished.as_ref().is_ok_and(|status| status.state == JobState::Cancelled);
            if !is_cancelled {
                // It ends within its own time limit.
                let _ = workers.await;
            }
        }
        self.stop_owner.stop();
        let _ = tokio::time::timeout(limits::STOP_TIMEOUT, self.handle.ended()).await;
        self.transport.close().await;
        finished
    }
}

struct Streams(mpsc::UnboundedReceiver<Streamed>);

impl Stream for Streams {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<News>> {
        self.0.poll_recv(context).map(|streamed| {
            Some(match streamed? {
                Streamed::Counted { number, verdict, micros, .. } => News::Counted { number, verdict, micros },
                Streamed::Served { consumers, slots } => News::Served { consumers, slots },
            })
        })
    }
}
