//! A consumer whose broker is slow, or keeps it from hearing.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use shared::shutdown;
use shared::topology::Topology;
use shared::transport::embedded::Embedded;
use shared::transport::{Incoming, QueueState, Subscription};
use tokio::sync::watch;

use super::*;

/// A broker that takes signs of life only while it is open, and of which one queue may be out of reach.
struct Reluctant {
    inner: Embedded,
    is_open: watch::Sender<bool>,
    held: AtomicUsize,
    taken: AtomicUsize,
    deaf: bool,
}

impl Reluctant {
    fn new(deaf: bool) -> Arc<Self> {
        let (held, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { inner: Embedded::new(), is_open: watch::Sender::new(false), held, taken, deaf })
    }
}

#[async_trait]
impl Transport for Reluctant {
    async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
        self.held.fetch_add(1, Ordering::Relaxed);
        let _ = self.is_open.subscribe().wait_for(|&is_open| is_open).await;
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.inner.publish(exchange, key, message).await
    }

    async fn subscribe(&self, subscription: Subscribe) -> Result<Box<dyn Subscription>, TransportError> {
        if self.deaf { Ok(Box::new(Deaf)) } else { self.inner.subscribe(subscription).await }
    }

    async fn declare(&self, topology: &Topology) -> Result<(), TransportError> {
        self.inner.declare(topology).await
    }

    async fn queue(&self, name: &str) -> Result<Option<QueueState>, TransportError> {
        self.inner.queue(name).await
    }

    fn is_ephemeral(&self) -> bool {
        true
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

struct Deaf;

#[async_trait]
impl Subscription for Deaf {
    async fn next(&mut self) -> Result<Incoming, TransportError> {
        Err(TransportError::Closed)
    }
}

fn config() -> ConsumerConfig {
    ConsumerConfig { heartbeat: Duration::from_millis(5), ..ConsumerConfig::new(Site::new(), Vec::new()) }
}

#[tokio::test]
async fn signs_of_life_that_a_broker_holds_up_do_not_pile_up() {
    let broker = Reluctant::new(false);
    let (stopper, shutdown) = shutdown::channel();
    let turns = Arc::default();
    let config = ConsumerConfig { turns: Arc::clone(&turns), ..config() };
    let consumer = tokio::spawn(run(config, Arc::clone(&broker) as Arc<dyn Transport>, shutdown));
    for _ in 0..10 {
        turns.notified().await;
    }
    assert_eq!(broker.held.load(Ordering::Relaxed), 1);
    broker.is_open.send_replace(true);
    // Each that is taken makes way for the next.
    while broker.taken.load(Ordering::Relaxed) < 5 {
        turns.notified().await;
    }
    stopper.stop();
    consumer.await.expect("no panic").expect("it stops");
    assert_eq!(broker.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn who_cannot_hear_of_cancellations_does_not_go_on() {
    let (_stopper, shutdown) = shutdown::channel();
    let ended = run(config(), Reluctant::new(true), shutdown).await;
    assert_eq!(ended, Err(TransportError::Closed));
}
