//! Lanes that are opened and closed over the embedded transport while tasks flow.

use std::collections::BTreeMap;

use shared::protocol::message::{Lease, Outcome, Verdict};
use shared::protocol::workload::steps;
use shared::system::shutdown::Stopper;
use shared::transport::until_taken;

use super::*;
use crate::engine::ListedLane;

/// A broker with an owner's queue, and a consumer without lanes.
struct Stable {
    broker: Arc<Embedded>,
    lanes: Lanes,
    running: tokio::task::JoinHandle<Result<(), ConsumerError>>,
    stopper: Stopper,
    outcomes: Box<dyn Subscription>,
}

impl Stable {
    async fn new(site: Site, slots: u32) -> Self {
        let broker = Arc::new(Embedded::new());
        broker.declare(&topology::shared()).await.expect("declared");
        let (queue, bindings) = topology::service_owner(&address(Workload::Steps, 0).owner);
        let owner = Subscribe { queue, bindings, prefetch: u16::MAX };
        let outcomes = broker.subscribe(owner).await.expect("subscribed");
        for (workload, class) in [(Workload::Steps, steps::class()), (Workload::Words, class())] {
            let (queue, binding) = topology::tasks(workload, &class);
            let topology = Topology { queues: vec![queue], bindings: vec![binding], ..Topology::default() };
            broker.declare(&topology).await.expect("declared");
        }
        let config = ConsumerConfig { slots, ..ConsumerConfig::new(site, Vec::new()) };
        let service = Service::new(config, Arc::clone(&broker) as Arc<dyn Transport>);
        let (lanes, (stopper, shutdown)) = (service.lanes(), shutdown::channel());
        Self { running: tokio::spawn(service.run(shutdown)), broker, lanes, stopper, outcomes }
    }

    async fn send(&self, workload: Workload, class: Class, number: u64, body: &'static str) {
        send(&self.broker, workload, class, number, body).await;
    }

    async fn list(&self) -> Vec<ListedLane> {
        self.lanes.list().await.expect("it runs")
    }

    /// The next outcome that the owner gets; leases go into `leases`.
    async fn next_outcome(&mut self, leases: &mut Vec<Lease>) -> Outcome {
        loop {
            let Incoming::Delivery(delivery) = self.outcomes.next().await.expect("it is there") else { continue };
            let outcome = Outcome::from_message(&delivery.message);
            leases.extend(Lease::from_message(&delivery.message));
            delivery.acker.ack().await;
            if let Ok(outcome) = outcome {
                return outcome;
            }
        }
    }

    async fn stop(self) -> Lanes {
        self.stopper.stop();
        self.running.await.expect("no panic").expect("it stops");
        self.lanes
    }
}

/// Publishes a task, as soon as its queue takes it.
async fn send(broker: &Embedded, workload: Workload, class: Class, number: u64, body: &'static str) {
    let address = address(workload, number);
    let key = topology::task_key(workload, &class, &address.owner);
    let task = Task { address, class, planned_at: None, avoid: Vec::new(), body: Payload::json(body) };
    let message = || task.to_message(Clock::start().system());
    until_taken(broker, topology::TASKS, &key, message).await.expect("published");
}

fn address(workload: Workload, number: u64) -> Address {
    let task = TaskId { job: "j".parse().expect("an id"), number };
    let (owner, opening) = ("o".parse().expect("an id"), "j1".parse().expect("an id"));
    Address { task, opening, plan: PlanHash::start(), attempt: 1, owner, workload }
}

/// How many threads of this process have the name.
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("there is a list of threads");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|thread| thread.trim_end() == name).count()
}

async fn until(is_so: impl AsyncFn() -> bool) {
    while !is_so().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_lost_or_done_twice_however_lanes_come_and_go() {
    const TASKS: u64 = 2_000;
    let mut stable = Stable::new(Site::new(), 2).await;
    let broker = Arc::clone(&stable.broker);
    let sending = tokio::spawn(async move {
        for number in 0..TASKS {
            send(&broker, Workload::Steps, steps::class(), number, r#"{"intensity":1}"#).await;
        }
    });
    let lanes = stable.lanes.clone();
    let coming_and_going = tokio::spawn(async move {
        let steps = |slots| LaneConfig::new(Workload::Steps, steps::class(), slots);
        loop {
            let one = lanes.open(steps(2)).await.expect("it opens");
            let other = lanes.open(LaneConfig { prefetch: 7, ..steps(1) }).await.expect("it opens");
            assert_ne!(one, other);
            tokio::time::sleep(Duration::from_millis(1)).await;
            lanes.close(one).await.expect("it was open");
            tokio::task::yield_now().await;
            lanes.close(other).await.expect("it was open");
        }
    });
    let (mut done, mut leases) = (BTreeMap::new(), Vec::new());
    while done.len() < TASKS as usize {
        let outcome = stable.next_outcome(&mut leases).await;
        assert!(matches!(outcome.verdict, Verdict::Done(_)));
        *done.entry(outcome.address.task.number).or_insert(0) += 1;
    }
    sending.await.expect("all are sent");
    coming_and_going.abort();
    let _ = coming_and_going.await;
    assert!(done.values().all(|&times| times == 1), "a task was done twice");
    assert!(leases.iter().all(|lease| lease.is_started), "a waiting task goes back to its queue");
    for lane in stable.list().await {
        let _ = stable.lanes.close(lane.lane).await;
    }
    until(async || stable.list().await.is_empty()).await;
    stable.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_closed_gives_back_what_waits_and_ends_after_what_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let (here, away) = (directory.path().join("here"), directory.path().join("away"));
    std::fs::create_dir(&here).expect("made");
    std::fs::write(here.join("a"), "a word").expect("a file");
    let mut site = Site::new();
    site.add_root("r", &here).expect("it is there");
    let mut stable = Stable::new(site, 1).await;
    // A task waits for some seconds for a root that is away.
    std::fs::rename(&here, &away).expect("renamed");
    for number in 0..3 {
        const BODY: &str = r#"{"manner":{"mode":"ascii","characters":false,"frequencies":false},
                               "files":{"links":"skip","root":"r","items":[["a",6]]}}"#;
        stable.send(Workload::Words, class(), number, BODY).await;
    }
    let words = LaneConfig { prefetch: 3, ..LaneConfig::new(Workload::Words, class(), 1) };
    let lane = stable.lanes.open(words).await.expect("it opens");
    until(async || stable.list().await[0].state.busy == 1).await;
    if cfg!(target_os = "linux") {
        until(async || threads_named("slot 0 words") == 1).await;
    }
    stable.lanes.close(lane).await.expect("it was open");
    let closed = stable.list().await;
    assert!(closed.len() == 1 && !closed[0].is_open && closed[0].state.busy == 1, "{closed:?}");
    assert_eq!(stable.lanes.close(lane).await, Err(LaneError::NotOpen(lane)));
    let (queue, _) = topology::tasks(Workload::Words, &class());
    let queue = async || stable.broker.queue(&queue.name).await.expect("it answers").expect("it is there");
    until(async || queue().await.consumers == 0).await;
    assert_eq!(queue().await.ready, 2, "the task that runs is leased, and the others are back");
    assert_eq!(stable.list().await, closed, "it still runs");
    std::fs::rename(&away, &here).expect("renamed");
    let mut leases = Vec::new();
    let outcome = stable.next_outcome(&mut leases).await;
    assert!(matches!(outcome.verdict, Verdict::Done(_)), "{outcome:?}");
    assert!(leases.len() == 1 && leases[0].is_started && leases[0].address == outcome.address, "{leases:?}");
    until(async || stable.list().await.is_empty()).await;
    if cfg!(target_os = "linux") {
        until(async || threads_named("slot 0 words") == 0).await;
    }
    stable.stop().await;
}

#[tokio::test]
async fn who_orders_something_of_a_stopped_consumer_hears_it() {
    let stable = Stable::new(Site::new(), 1).await;
    let steps = || LaneConfig::new(Workload::Steps, steps::class(), 1);
    assert_eq!(stable.lanes.close(7).await, Err(LaneError::NotOpen(7)));
    let lane = stable.lanes.open(steps()).await.expect("it opens");
    assert_eq!(stable.list().await.iter().map(|listed| listed.lane).collect::<Vec<_>>(), [lane]);
    let lanes = stable.stop().await;
    assert_eq!(lanes.open(steps()).await, Err(LaneError::Gone));
    assert_eq!(lanes.list().await, Err(LaneError::Gone));
}

#[tokio::test]
async fn a_lane_whose_queue_cannot_be_consumed_closes_again_and_the_others_go_on() {
    let mut stable = Stable::new(Site::new(), 1).await;
    let steps = LaneConfig::new(Workload::Steps, steps::class(), 1);
    stable.lanes.open(steps).await.expect("it opens");
    // The queue is there with other arguments.
    let strange = Class::from_name(b"strange");
    let (queue, _) = topology::tasks(Workload::Steps, &strange);
    let other = topology::Queue { messages_max: Some(3), ..queue };
    let topology = Topology { queues: vec![other], ..Topology::default() };
    stable.broker.declare(&topology).await.expect("declared");
    let refused = stable.lanes.open(LaneConfig::new(Workload::Steps, strange, 1)).await;
    assert!(matches!(refused, Err(LaneError::Transport(TransportError::Mismatch { .. }))), "{refused:?}");
    until(async || stable.list().await.len() == 1).await;
    stable.send(Workload::Steps, steps::class(), 0, r#"{"intensity":1}"#).await;
    assert!(matches!(stable.next_outcome(&mut Vec::new()).await.verdict, Verdict::Done(_)));
    stable.stop().await;
}
