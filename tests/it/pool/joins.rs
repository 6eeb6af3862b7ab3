//! Consumers come, leave and die while a pool runs and its workers get updates. Each call has one
//! result, and each worker has handled the updates in order, without a gap or a repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use consumer::work::Site;
use consumer::{ConsumerConfig, Workers};
use packhorse::pool::{self, Json, Place, Pool, PoolConfig, Slot, Worker, WorkerError};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use shared::system::shutdown::{self, Stopper};
use shared::transport::Transport;
use shared::transport::embedded::Embedded;
use tokio::task::JoinHandle;

/// Consumers that join or leave.
const CHANGES: u32 = 50;

/// Tells which updates it has handled, and fails if one is out of order.
struct Witness {
    name: String,
    handled: Vec<u64>,
}

/// An update. Its number is the version that its owner gives it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Numbered {
    number: u64,
    replaces: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Testimony {
    call: u64,
    /// A worker: a new one has another name.
    worker: String,
    handled: Vec<u64>,
}

static WORKERS: AtomicU64 = AtomicU64::new(0);

impl Worker for Witness {
    const NAME: &'static str = "witness";
    type Init = String;
    /// The call's number, the version that its sender knew, and milliseconds that it takes.
    type Job = (u64, u64, u64);
    type Update = Numbered;
    type Output = Testimony;
    type Codec = Json;

    fn init(prefix: String, slot: Slot) -> Result<Self, WorkerError> {
        let name = format!("{prefix} {} of {slot}", WORKERS.fetch_add(1, Ordering::Relaxed));
        Ok(Self { name, handled: Vec::new() })
    }

    fn run(&mut self, (call, known, millis): Self::Job) -> Result<Testimony, WorkerError> {
        let latest = self.handled.last().copied().unwrap_or(0);
        if latest < known {
            return Err(format!("call {call} needs version {known}, and {} has {latest}", self.name).into());
        }
        if millis > 0 {
            std::thread::sleep(Duration::from_millis(millis));
        }
        Ok(Testimony { call, worker: self.name.clone(), handled: self.handled.clone() })
    }

    fn handle_update(&mut self, update: Numbered) -> Result<(), WorkerError> {
        let before = self.handled.last().copied().unwrap_or(0);
        if update.number <= before || (update.number > before + 1 && !update.replaces) {
            return Err(format!("update {} comes after {before}", update.number).into());
        }
        self.handled.push(update.number);
        Ok(())
    }
}

struct Node {
    stop: Stopper,
    running: JoinHandle<()>,
    transport: Embedded,
}

impl Node {
    fn start(broker: &Embedded, slots: u32) -> Self {
        let transport = broker.connect();
        let (stop, stopped) = shutdown::channel();
        let workers = Workers::new().with::<Witness>();
        let config = ConsumerConfig { workers, slots, ..ConsumerConfig::new(Site::new(), Vec::new()) };
        let shared: Arc<dyn Transport> = Arc::new(transport.clone());
        let running = tokio::spawn(async move { consumer::run(config, shared, stopped).await.expect("it runs") });
        Self { stop, running, transport }
    }

    /// Finishes what it works on.
    async fn leave(self) {
        self.stop.stop();
        self.running.await.expect("it does not panic");
        self.transport.close().await;
    }

    /// As if its machine were gone.
    async fn die(self) {
        self.transport.close().await;
        self.running.abort();
    }
}

/// Consumers come and go, and updates are sent, as the seed says.
async fn disturb(broker: &Embedded, pool: &Pool<Witness>, version: &AtomicU64, rng: &mut SmallRng) {
    let mut nodes = vec![Node::start(broker, 2)];
    for _ in 0..CHANGES {
        tokio::time::sleep(Duration::from_millis(rng.random_range(1..40))).await;
        if rng.random_bool(0.5) {
            let replaces = rng.random_bool(0.2);
            let update = Numbered { number: version.load(Ordering::Relaxed) + 1, replaces };
            let updated =
                if replaces { pool.replace_updates(&update).await } else { pool.update_workers(&update).await };
            assert_eq!(updated, Ok(update.number));
            version.store(update.number, Ordering::Relaxed);
        }
        if nodes.len() < 2 || (nodes.len() < 5 && rng.random_bool(0.5)) {
            nodes.push(Node::start(broker, rng.random_range(1..3)));
            continue;
        }
        let node = nodes.swap_remove(rng.random_range(0..nodes.len()));
        if rng.random_bool(0.5) { node.leave().await } else { node.die().await }
    }
    for node in nodes.drain(1..) {
        node.leave().await;
    }
    let last = nodes.pop().expect("one is left");
    // It stays until the pool has all its results.
    std::mem::forget(last.stop);
}

/// Whether a worker could have handled these: without a repeat, in order, with a gap only before one
/// that replaces those before it, which the worker itself checks.
fn is_in_order(handled: &[u64]) -> bool {
    handled.is_sorted_by(|one, next| one < next)
}

async fn round(seed: u64) {
    eprintln!("PACKHORSE_JOINS_SEED={seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let broker = Embedded::new();
    let place = Place::Transport(Arc::new(broker.connect()));
    let pool: Pool<Witness> = pool::open(PoolConfig { place, pack: None }, &"worker".to_owned()).await.expect("a pool");
    let (version, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (known, ended) = (Arc::clone(&version), Arc::clone(&over));
    let calls = (0_u64..).map_while(move |call| {
        // Some calls take a while, so that packs are left and consumers die with calls under way.
        let millis = if call % 97 == 0 { 20 } else { 0 };
        (ended.load(Ordering::Relaxed) == 0).then(|| (call, known.load(Ordering::Relaxed), millis))
    });
    let mut results = pool.imap_unordered(calls).expect("it is open");
    let collect = async {
        let (mut seen, mut workers) = (BTreeSet::new(), BTreeMap::<String, Vec<u64>>::new());
        while let Some((index, result)) = results.next_with_index().await {
            let Testimony { call, worker, handled } = result.expect("each call has a result");
            assert!(index == call && seen.insert(call), "call {call} at {index}, seed {seed}");
            assert!(is_in_order(&handled), "{worker} has handled {handled:?}, seed {seed}");
            // What a worker has handled only grows.
            let latest = workers.entry(worker).or_default();
            let (shorter, longer) =
                if latest.len() < handled.len() { (&*latest, &handled) } else { (&handled, &*latest) };
            assert!(longer.starts_with(shorter), "{shorter:?} and {longer:?}, seed {seed}");
            if handled.len() > latest.len() {
                *latest = handled;
            }
        }
        (seen, workers.len())
    };
    let disturbing = async {
        disturb(&broker, &pool, &version, &mut rng).await;
        over.store(1, Ordering::Relaxed);
    };
    let ((seen, workers), ()) = tokio::join!(collect, disturbing);
    let calls = seen.len() as u64;
    assert_eq!(seen.last().map_or(0, |last| last + 1), calls, "no call is missing, seed {seed}");
    assert!(calls > 100 && workers > 10, "{calls} calls by {workers} workers, seed {seed}");
    let counts = pool.status().await.expect("it runs").counts;
    assert_eq!((counts.items_done, counts.items_failed, counts.tasks_open), (calls, 0, 0), "{counts:?}");
    pool.close().await.expect("all is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_has_one_result_whoever_comes_and_goes() {
    let given = std::env::var("PACKHORSE_JOINS_SEED").ok().and_then(|seed| seed.parse().ok());
    let patience = Duration::from_secs(300);
    tokio::time::timeout(patience, round(given.unwrap_or_else(shared::system::random::seed))).await.expect("it ends");
}
