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

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use consumer::ConsumerConfig;
use consumer::work::Site;
use producer::{Client, ClientConfig};
use reducer::owner::Reached;
use reducer::service::{Handle, Kind, Opening, ServiceConfig, Streamed, command_owner_id, fresh_job_id};
use reducer::store::Place as StorePlace;
use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::JobRequest;
use shared::protocol::payload::Payload;
use shared::system::shutdown;
use shared::transport::{BrokerUrl, Transport, connect};
use tokio::sync::{mpsc, watch};

use crate::run::{Local, Station};

pub use consumer::Workers;
pub use producer::pool::{CallOptions, Pool, PoolError, Results};
use producer::pool::{Ending, Home, News, Stream, Tasks};
pub use shared::protocol::workload::call::{
    CallError, CallErrorKind, Codec, CodecError, Json, MessagePack, Slot, Worker, WorkerError,
};

/// Tasks of a pool that may be out. The pool itself sends two packs for each slot.
const WINDOW: usize = limits::WINDOW_MAX;

/// Interval of looks at what calls wait for.
const LOOK: Duration = Duration::from_secs(1);

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
    // Only in this process does nobody else ask the owner for what is in its store.
    let store = if matches!(config.place, Place::Here { .. }) { StorePlace::Memory } else { StorePlace::Temporary };
    let store = Opening::begin(store, command_owner_id(url.user()));
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
    let request = JobRequest::new(spec.pool.clone(), JobSpec::Call(spec.clone()));
    let owner = ServiceConfig {
        store,
        kind: Kind::Command { spec: Box::new(request.spec.clone()) },
        window: Some(WINDOW),
        heartbeat: limits::HEARTBEAT,
        keep: None,
    };
    let station = Station::start(owner, transport).await;
    let mut station = station.map_err(|error| PoolError::Stopped(error.to_string()))?;
    if let Some(workers) = workers {
        station.add_workers(workers);
    }
    let (begun, tasks, ending) = producer::pool::begin(&spec, config.pack);
    // Only the pool itself ends its client.
    let (_, never) = shutdown::channel();
    let client = ClientConfig {
        request,
        owner: station.handle.owner().clone(),
        wait: true,
        recheck: false,
        look: LOOK,
        broker: url.to_string(),
        notify: Arc::new(|notice| tracing::warn!("Calls of a pool wait: {notice}.")),
        progress: Arc::new(|_| {}),
    };
    let mut client = Client::new(client, Local::new(&station.handle), tasks, never);
    let opened = tokio::select! {
        biased;
        opened = client.open() => opened.map_err(|error| PoolError::Stopped(error.to_string())),
        why = stopped(&station.handle) => Err(why),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            station.end(true).await;
            return Err(error);
        }
    };
    let (job, opening) = (opened.job.clone(), opened.opening.clone());
    let following = station.handle.follow(job.clone(), opening.clone()).await;
    let stream = Streams(station.handle.stream(job.clone(), opening.clone()).await);
    let home = Owned { handle: station.handle.clone(), job, opening };
    let pool = begun.open(Arc::new(home.clone()), Box::new(stream), &opened);
    tokio::spawn(run(station, client, home, following, ending));
    Ok(pool)
}

async fn connected(url: &BrokerUrl) -> Result<Arc<dyn Transport>, PoolError> {
    connect(url, None).await.map_err(|error| PoolError::Stopped(error.to_string()))
}

/// Waits for the end of the owner, and says why it came.
async fn stopped(handle: &Handle) -> PoolError {
    PoolError::Stopped(match handle.ended().await {
        Ok(()) => "its owner has ended".to_owned(),
        Err(error) => error.to_string(),
    })
}

/// Runs a pool to its end.
async fn run(
    station: Station,
    mut client: Client<Local, Tasks>,
    home: Owned,
    following: watch::Receiver<Reached>,
    mut ending: Ending,
) {
    let (why, terminated) = tokio::select! {
        biased;
        asker = ending.terminated() => (PoolError::Terminated, Some(asker)),
        why = home.finish(following) => (why, None),
        why = stopped(&station.handle) => (why, None),
        // A plan that succeeds does not end the pool; the other branches do.
        Err(error) = client.finish() => (PoolError::Stopped(error.to_string()), None),
    };
    ending.note(why);
    if terminated.is_some() {
        home.handle.cancel(home.job.clone(), home.opening.clone()).await;
    }
    // Whoever waits for a result hears why there is none.
    drop(client);
    station.end(terminated.is_none()).await;
}

/// The owner of a pool's job.
#[derive(Clone)]
struct Owned {
    handle: Handle,
    job: JobId,
    opening: OpeningId,
}

impl Owned {
    /// Waits for the end of the job, and ends the pool.
    async fn finish(&self, mut following: watch::Receiver<Reached>) -> PoolError {
        if following.wait_for(|reached| reached.is_over || reached.is_finished).await.is_err() {
            return stopped(&self.handle).await;
        }
        // Before it has its report nobody can make it forget the job.
        let is_cancelled = self.is_cancelled().await;
        self.handle.reported(self.job.clone(), self.opening.clone(), NO_REPORT.to_owned()).await;
        match self.handle.finished(following).await {
            Ok(()) if is_cancelled => PoolError::Terminated,
            Ok(()) => PoolError::Closed,
            Err(error) => PoolError::Stopped(error.to_string()),
        }
    }

    async fn is_cancelled(&self) -> bool {
        self.handle.status(&self.job).await.is_some_and(|status| status.state == JobState::Cancelled)
    }
}

#[async_trait]
impl Home for Owned {
    fn taken(&self, numbers: Vec<u64>) {
        let Self { handle, job, opening } = self.clone();
        tokio::spawn(async move { handle.taken(job, opening, numbers).await });
    }

    async fn update(&self, update: Payload, replaces: bool) -> Result<u64, String> {
        let updated = self.handle.update(self.job.clone(), self.opening.clone(), update, replaces).await;
        updated.map_err(|error| error.to_string())
    }

    async fn status(&self) -> Option<JobStatus> {
        self.handle.status(&self.job).await
    }
}

struct Streams(mpsc::UnboundedReceiver<Streamed>);

impl Stream for Streams {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<News>> {
        self.0.poll_recv(context).map(|streamed| {
            Some(match streamed? {
                Streamed::Counted { number, verdict, micros, .. } => News::Counted { number, verdict, micros },
                Streamed::Early { number, answer, micros } => News::Early { number, answer, micros },
                Streamed::Served { consumers, slots } => News::Served { consumers, slots },
            })
        })
    }
}
