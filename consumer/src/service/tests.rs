//! A consumer whose broker is slow, or whose control queue cannot be read.

mod lanes;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use shared::protocol::id::{PlanHash, TaskId};
use shared::protocol::message::{Address, Message, Task};
use shared::protocol::payload::Payload;
use shared::protocol::topology::Topology;
use shared::system::shutdown;
use shared::transport::embedded::Embedded;
use shared::transport::{Incoming, PublishError, QueueState, Subscription};
use tokio::sync::watch;

use super::*;

/// A broker that takes messages only while it is open, and whose queues may be out of reach.
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
async fn heartbeats_that_a_broker_holds_up_do_not_pile_up() {
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
    // Each heartbeat that the broker takes makes way for the next.
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
    assert_eq!(ended, Err(TransportError::Closed.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_stays_with_the_broker_until_its_outcome_is_confirmed() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a"), "a").expect("a file");
    let broker = Reluctant::new(false);
    let (queue, binding) = topology::tasks(Workload::Digest, &class());
    broker.declare(&topology::shared()).await.expect("declared");
    let task = task();
    let (owners, mut bindings) = topology::service_owner(&task.address.owner);
    bindings.push(binding);
    let queues = vec![queue.clone(), owners.clone()];
    broker.declare(&Topology { queues, bindings, ..Topology::default() }).await.expect("declared");
    let key = topology::task_key(Workload::Digest, &class(), &task.address.owner);
    let message = task.to_message(Clock::start().system());
    broker.inner.publish(topology::TASKS, &key, message).await.expect("published");
    let start = || {
        let mut site = Site::new();
        site.add_root("r", directory.path()).expect("it is there");
        let (stopper, shutdown) = shutdown::channel();
        let config = ConsumerConfig::new(site, vec![(Workload::Digest, class())]);
        (tokio::spawn(run(config, Arc::clone(&broker) as Arc<dyn Transport>, shutdown)), stopper)
    };
    let ready_in = async |queue: &str| broker.queue(queue).await.expect("it answers").expect("it is there").ready;
    let ready = async || ready_in(&queue.name).await;
    let (consumer, _stopper) = start();
    // The heartbeat and the outcome.
    while broker.held.load(Ordering::Relaxed) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(ready().await, 0);
    consumer.abort();
    assert!(consumer.await.expect_err("it was aborted").is_cancelled());
    while ready().await == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    broker.is_open.send_replace(true);
    let (consumer, stopper) = start();
    while ready_in(&owners.name).await == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stopper.stop();
    consumer.await.expect("no panic").expect("it stops");
    assert_eq!(ready().await, 0, "it was acked in the end");
}

fn class() -> Class {
    Class::from_name(b"r")
}

fn task() -> Task {
    let body = r#"{"algorithm":"sha1","files":{"links":"skip","root":"r","items":[["a",1]]}}"#;
    let (owner, opening) = ("o".parse().expect("an id"), "j1".parse().expect("an id"));
    let task = TaskId { job: "j".parse().expect("an id"), number: 0 };
    let plan = PlanHash::start();
    let address = Address { task, opening, plan, attempt: 1, owner, workload: Workload::Digest };
    Task { address, class: class(), planned_at: None, avoid: Vec::new(), body: Payload::json(body) }
}
