//! Messages about a job that is not the one they mean: of a store that was lost or is older, of another owner's job of
//! the same name, or of a plan from before.

use std::fs;
use std::sync::Arc;

use shared::protocol::message::{Message, kind};
use shared::protocol::payload::Payload;
use shared::protocol::topology::{self, Binding};
use shared::transport::{Incoming, Subscribe, Subscription, Transport, connect};

use crate::cluster::Cluster;
use crate::world::{CONSUMER, Done, PACKHORSE, PRODUCER, Process, REDUCER, assert_same, eventually};

/// A reducer with a store in this world.
fn reducer(cluster: &Cluster, owner: &str, more: &[&str]) -> Process {
    let store = format!("{owner}.store");
    cluster.ready(REDUCER, &[&["--owner", owner, "--state", &store, "--heartbeat", "1"], more].concat())
}

fn count(cluster: &Cluster, job: &str, owner: &str, what: &str) -> Option<u64> {
    let done = cluster.run(PACKHORSE, ["status", job, "--owner", owner, "--json"]);
    let status = (done.code == 0).then(|| done.json().remove(0))?;
    let counted = &status["counts"][what];
    counted.as_u64().or_else(|| counted.as_object().map(|kinds| kinds.values().filter_map(|n| n.as_u64()).sum()))
}

fn remove_store(cluster: &Cluster, name: &str) {
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(cluster.world.path(format!("{name}{ending}")));
    }
}

#[tokio::test]
async fn a_store_that_is_older_than_the_queues_takes_no_answer_of_another_task() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    world.file("t/b", "b");
    reducer(&cluster, "main", &[]).stop().exits(0);
    fs::copy(world.path("main.store"), world.path("copy")).expect("copied");
    let first = reducer(&cluster, "main", &[]);
    cluster.producer(&["t", "--job", "J", "--no-wait"]).wait().exits(0);
    first.kill();
    remove_store(&cluster, "main.store");
    fs::rename(world.path("copy"), world.path("main.store")).expect("moved");
    let reducer = reducer(&cluster, "main", &[]);
    // The task of before waits in its queue, with the number of the one that comes now. It is done sooner.
    world.sparse("t/a", 512 << 20);
    let producer = cluster.producer(&["t", "--job", "J"]);
    cluster.reaches("J", "tasks_planned", 1);
    let consumer = cluster.consumer(&["-j", "1"]);
    let done = producer.wait().exits(0);
    assert_same(&cluster.report("J"), &world.sha1sum(&["t"]));
    assert_eq!(count(&cluster, "J", "main", "dropped"), Some(1), "{}", done.err);
    assert!(done.err.contains("stale   1 messages named this job and were not acted on: 1 of another opening"));
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// Somebody who hears what is said under a key, and can say it again.
struct Recorder {
    transport: Arc<dyn Transport>,
    heard: Box<dyn Subscription>,
}

impl Recorder {
    async fn of(cluster: &Cluster, exchange: &str, key: &str) -> Self {
        let transport = connect(cluster.broker.url(), None).await.expect("connected");
        let (queue, _) = topology::replies(&crate::broker::unique("recorder").parse().expect("an id"));
        let bindings = vec![Binding { exchange: exchange.into(), queue: queue.name.clone(), key: key.into() }];
        let heard = transport.subscribe(Subscribe { queue, bindings, prefetch: 100 }).await.expect("subscribed");
        Self { transport, heard }
    }

    /// The next `count` messages of these kinds.
    async fn hears(&mut self, kinds: &[&str], count: usize) -> Vec<Message> {
        let mut heard = Vec::new();
        while heard.len() < count {
            if let Incoming::Delivery(delivery) = self.heard.next().await.expect("a message") {
                delivery.acker.ack().await;
                heard.extend(
                    Some(Message::clone(&delivery.message)).filter(|message| kinds.contains(&message.kind.as_ref())),
                );
            }
        }
        heard
    }

    async fn says(&self, exchange: &str, key: &str, messages: &[Message]) {
        for message in messages {
            self.transport.publish(exchange, key, message.clone()).await.expect("published");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_from_before_a_store_was_lost_cuts_no_job_short() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    world.tree("t", 100);
    let first = reducer(&cluster, "main", &[]);
    let mut recorder = Recorder::of(&cluster, topology::PLANS, "plan.main").await;
    cluster.producer(&["t", "--job", "J", "--no-wait"]).wait().exits(0);
    // One task, and the end.
    let plan = recorder.hears(&[kind::PLANNED, kind::PLAN_END], 2).await;
    first.kill();
    remove_store(&cluster, "main.store");
    for number in 100..150 {
        world.file(format!("t/001/{number:05}"), number.to_string());
    }
    let reducer = reducer(&cluster, "main", &[]);
    let producer = cluster.producer(&["t", "--job", "J"]);
    recorder.says(topology::PLANS, "plan.main", &plan).await;
    cluster.reaches("J", "tasks_planned", 1);
    recorder.says(topology::PLANS, "plan.main", &plan).await;
    let consumer = cluster.consumer(&[]);
    producer.wait().exits(0);
    let report = cluster.report("J");
    assert_eq!(report.iter().filter(|&&byte| byte == b'\n').count(), 150);
    assert_same(&report, &world.sha1sum(&["t"]));
    assert!(count(&cluster, "J", "main", "dropped") >= Some(2));
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_from_before_ends_no_other_job_of_that_name() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 30);
    let first = reducer(&cluster, "main", &[]);
    cluster.producer(&["t", "--job", "J", "--no-wait"]).wait().exits(0);
    let mut recorder = Recorder::of(&cluster, topology::CONTROL, "owner.main").await;
    cluster.run(PACKHORSE, ["cancel", "J", "--owner", "main"]).exits(0);
    // Reducers ask as well, whether another one has their name.
    let mut cancel = Vec::new();
    while cancel.is_empty() {
        cancel = recorder.hears(&[kind::REQUEST], 1).await;
        cancel.retain(|message| message.body.starts_with(b"{\"ask\":\"cancel\""));
    }
    first.kill();
    remove_store(&cluster, "main.store");
    let reducer = reducer(&cluster, "main", &[]);
    let producer = cluster.producer(&["t", "--job", "J"]);
    cluster.reaches("J", "tasks_planned", 1);
    recorder.says(topology::CONTROL, "owner.main", &cancel).await;
    let consumer = cluster.consumer(&[]);
    producer.wait().exits(0);
    assert_same(&cluster.report("J"), &cluster.world.sha1sum(&["t"]));
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// Submits `t` as seen in a directory.
fn submit(cluster: &Cluster, directory: &str, owner: &str, job: &str, more: &[&str]) -> Done {
    let script = format!("cd {directory} && exec \"$0\" sha1 t --owner {owner} --job {job} \"$@\"");
    cluster.run("sh", [&["-c", &script, PRODUCER], more].concat())
}

#[tokio::test]
async fn a_name_that_two_owners_have_is_ambiguous_until_one_is_named() {
    let cluster = Cluster::new().await;
    for place in ["one", "two"] {
        cluster.world.file(format!("{place}/t/{place}"), place);
    }
    let (a, b) = (reducer(&cluster, "a", &[]), reducer(&cluster, "b", &[]));
    for (place, owner) in [("one", "a"), ("two", "b")] {
        submit(&cluster, place, owner, "nightly", &["--no-wait"]).exits(0);
    }
    for command in [&["cancel", "nightly"][..], &["status", "nightly"], &["explain", "nightly"]] {
        let done = cluster.run(PACKHORSE, command).exits(2);
        assert!(done.err.contains("several reducers have a job nightly: a, b"), "{command:?}: {}", done.err);
        assert!(done.err.contains("--owner"), "{}", done.err);
    }
    let text = String::from_utf8(cluster.run(PACKHORSE, ["jobs"]).exits(0).out).expect("UTF-8");
    let owners: Vec<&str> = text.lines().map(|line| line.split_whitespace().nth(1).expect("a column")).collect();
    assert_eq!(owners, ["OWNER", "a", "b"], "{text}");
    cluster.run(PACKHORSE, ["cancel", "nightly", "--owner", "a"]).exits(0);
    let state = |owner: &str| {
        let done = cluster.run(PACKHORSE, ["status", "nightly", "--owner", owner, "--json"]).exits(0);
        done.json().remove(0)["state"].clone()
    };
    assert_eq!([state("a"), state("b")], ["cancelled", "running"]);
    a.stop().exits(0);
    b.stop().exits(0);
}

#[tokio::test]
async fn a_task_of_another_owners_job_of_that_name_keeps_none_from_being_sent_again() {
    let cluster = Cluster::new().await;
    let held = cluster.world.sparse("one/t/f", 1 << 40);
    cluster.world.file("two/t/f", "small");
    let (a, b) = (reducer(&cluster, "a", &[]), reducer(&cluster, "b", &[]));
    let consumer = |root: &str| {
        let root = format!("t={root}/t");
        cluster.ready(CONSUMER, &["--root", &root, "-j", "1", "--prefetch", "1", "--heartbeat", "1"])
    };
    submit(&cluster, "one", "b", "X", &["--no-wait"]).exits(0);
    let busy = consumer("one");
    busy.reads(&held);
    submit(&cluster, "two", "a", "X", &["--no-wait"]).exits(0);
    eventually("it is out", || count(&cluster, "X", "a", "sends").filter(|&sends| sends > 0));
    // What waits is lost. The busy one names X.0 of b with each heartbeat.
    cluster.broker.delete_queue("packhorse.v1.tasks.digest.t").await;
    let said = cluster.run(PACKHORSE, ["explain", "X.0", "--owner", "a"]).exits(0);
    assert!(!String::from_utf8_lossy(&said.out).contains("is held"), "{said:?}");
    eventually("it is sent again", || count(&cluster, "X", "a", "resends").filter(|&resends| resends > 0));
    // With its queue the busy one has lost its delivery, and may have taken the next one.
    let free = consumer("two");
    busy.kill();
    eventually("it is done", || count(&cluster, "X", "a", "items_done").filter(|&done| done == 1));
    for role in [free, a, b] {
        role.stop().exits(0);
    }
}

/// A copy of a task that is still out when its job has ended.
#[tokio::test]
async fn a_finished_job_whose_tasks_are_still_out_says_so() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 10);
    let reducer = reducer(&cluster, "main", &[]);
    let stuck = cluster.consumer(&["-j", "1"]);
    cluster.producer(&["t", "--job", "before"]).wait().exits(0);
    stuck.signal("STOP");
    let producer = cluster.producer(&["t", "--job", "J"]);
    eventually("it is out", || count(&cluster, "J", "main", "sends").filter(|&sends| sends > 0));
    // The broker has handed it to the one that does nothing; its owner hears nothing of that one any more.
    let free = cluster.consumer(&["-j", "1"]);
    let done = producer.wait().exits(0);
    assert!(done.err.contains(" copies of its tasks may still be worked on"), "{}", done.err);
    stuck.signal("CONT");
    for role in [stuck, free, reducer] {
        role.stop().exits(0);
    }
}

#[tokio::test]
async fn a_store_or_a_message_of_an_older_version_is_refused_with_a_sentence() {
    let cluster = Cluster::new().await;
    cluster.world.file("t/a", "a");
    reducer(&cluster, "main", &[]).stop().exits(0);
    cluster.world.sql("main.store", "PRAGMA user_version = 4");
    let done = cluster.run(REDUCER, ["--state", "main.store"]).exits(2);
    assert!(done.err.contains("its schema is 4, this one's 9") && done.err.contains("Name another"), "{}", done.err);
    remove_store(&cluster, "main.store");
    let reducer = reducer(&cluster, "main", &[]);
    let recorder = Recorder::of(&cluster, topology::PLANS, "plan.main").await;
    let text = r#"{"job":"old","tasks":1}"#;
    let mut old =
        Message::new(kind::PLAN_END, "old.plan_end".to_owned(), Payload::json(text), std::time::SystemTime::now());
    old.headers.insert("schema".into(), shared::protocol::message::HeaderValue::Integer(1));
    recorder.says(topology::PLANS, "plan.main", &[old]).await;
    reducer.says("unknown schema version 1, this program speaks 3");
    reducer.stop().exits(0);
}
