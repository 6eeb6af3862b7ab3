//! Any bytes survive every road: arguments, results, updates and what workers begin with.

use std::sync::Arc;

use packhorse::pool::{self, MessagePack, Place, Pool, PoolConfig, Slot, Worker, WorkerError, Workers};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use shared::protocol::seal::{Key, Keyring};
use shared::system::shutdown;
use shared::transport::embedded::Embedded;
use shared::transport::{Sealed, Transport, connect};

use super::PATIENCE;
use crate::broker;

/// Bytes as they are, and not as a list of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes).map(Raw)
    }
}

/// Gives back what it began with, its latest update, and what it gets.
struct Mirror {
    init: Raw,
    update: Raw,
}

impl Worker for Mirror {
    const NAME: &'static str = "mirror";
    type Init = Raw;
    type Job = Raw;
    type Update = Raw;
    type Output = (Raw, Raw, Raw);
    type Codec = MessagePack;

    fn init(init: Raw, _: Slot) -> Result<Self, WorkerError> {
        Ok(Self { init, update: Raw(Vec::new()) })
    }

    fn run(&mut self, job: Raw) -> Result<Self::Output, WorkerError> {
        Ok((self.init.clone(), self.update.clone(), job))
    }

    fn handle_update(&mut self, update: Raw) -> Result<(), WorkerError> {
        self.update = update;
        Ok(())
    }
}

fn bytes(rng: &mut SmallRng) -> Raw {
    let length = match rng.random_range(0..10) {
        0 => 0,
        1 => rng.random_range(0..200_000),
        _ => rng.random_range(0..300),
    };
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    Raw(bytes)
}

/// The pool and its consumer, each with a transport of its own.
async fn survive(seed: u64, pools: Arc<dyn Transport>, consumers: Arc<dyn Transport>) {
    eprintln!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let (stop, stopped) = shutdown::channel();
    let config = consumer::ConsumerConfig::new(consumer::work::Site::new(), Vec::new());
    let config = consumer::ConsumerConfig { workers: Workers::new().with::<Mirror>(), slots: 2, ..config };
    let running = tokio::spawn(consumer::run(config, consumers, stopped));
    let init = bytes(&mut rng);
    let config = PoolConfig { place: Place::Transport(pools), pack: None };
    let pool: Pool<Mirror> = pool::open(config, &init).await.expect("a pool");
    pool.wait_for_workers(1, PATIENCE).await.expect("it has workers");
    for _ in 0..5 {
        let update = bytes(&mut rng);
        pool.update_workers(&update).await.expect("it is taken");
        let jobs: Vec<Raw> = (0..60).map(|_| bytes(&mut rng)).collect();
        let answers = pool.map(jobs.clone()).await.expect("they are given back");
        let wanted: Vec<_> = jobs.into_iter().map(|job| (init.clone(), update.clone(), job)).collect();
        assert!(answers == wanted, "seed {seed}");
    }
    pool.close().await.expect("all is well");
    stop.stop();
    running.await.expect("it does not panic").expect("it runs to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process() {
    let broker = Embedded::new();
    survive(shared::system::random::seed(), Arc::new(broker.connect()), Arc::new(broker.connect())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_sealed_messages() {
    let keys: Arc<Keyring> = Arc::new(Key::generate().to_line().parse().expect("a key"));
    let broker = Embedded::new();
    let sealed = || Arc::new(Sealed::new(Arc::new(broker.connect()), Arc::clone(&keys))) as Arc<dyn Transport>;
    survive(shared::system::random::seed(), sealed(), sealed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_rabbitmq() {
    let broker = broker::any().await;
    let (pools, consumers) = (connect(broker.url(), None).await, connect(broker.url(), None).await);
    survive(shared::system::random::seed(), pools.expect("it answers"), consumers.expect("it answers")).await;
}
