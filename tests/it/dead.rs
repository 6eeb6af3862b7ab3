//! Tasks that failed for the last time, over RabbitMQ: listed, shown, put back to work, forgotten.

use std::sync::Arc;
use std::time::SystemTime;

use shared::protocol::message::{Failure, Outcome, Task, Verdict};
use shared::protocol::topology::{self, OUTCOMES};
use shared::protocol::workload::Workload;
use shared::protocol::workload::files::Root;
use shared::transport::{Incoming, Subscribe, Transport, connect};

use crate::cluster::Cluster;
use crate::world::{PACKHORSE, REDUCER, assert_same};

/// A consumer of root `t` that fails whatever it gets, `count` times.
async fn fail(transport: &Arc<dyn Transport>, count: usize) {
    let (queue, binding) = topology::tasks(Workload::Digest, &Root::class_of("t"));
    let subscribe = Subscribe { queue, bindings: vec![binding], prefetch: 1 };
    let mut tasks = transport.subscribe(subscribe).await.expect("subscribed");
    for _ in 0..count {
        let Incoming::Delivery(delivery) = tasks.next().await.expect("a task") else { panic!("interrupted") };
        let task = Task::from_message(&delivery.message).expect("a task");
        let failure = Failure { reason: "no card left".to_owned(), stderr: "CUDA: out of memory\nabort".to_owned() };
        let (owner, host, verdict) = (task.address.owner.clone(), "node-13".to_owned(), Verdict::Failed(failure));
        let outcome = Outcome {
            address: task.address,
            consumer: None,
            host,
            micros: 1,
            redelivered: false,
            verdict,
            parts: None,
        };
        let message = outcome.to_message(SystemTime::now());
        transport.publish(OUTCOMES, owner.as_str(), message).await.expect("published");
        delivery.acker.ack().await;
    }
}

#[tokio::test]
async fn a_task_that_failed_for_the_last_time_is_listed_shown_and_put_back_to_work() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 10);
    let wanted = cluster.world.sha1sum(&["t"]);
    let _reducer = cluster.reducer(&["--output-dir", "reports"]);
    let producer = cluster.producer(&["t", "--job", "j"]);
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    let failing = fail(&transport, 5);
    tokio::time::timeout(crate::world::LIMIT, failing).await.expect("five attempts");
    transport.close().await;
    producer.wait().exits(1);
    assert_same(&std::fs::read(cluster.world.path("reports/j.txt")).expect("a report"), b"");

    let list = |filter: &[&str]| cluster.run(PACKHORSE, [&["dead", "list", "--json"], filter].concat()).exits(0).json();
    let dead = list(&[]);
    assert_eq!((dead.len(), &dead[0]["task"], &dead[0]["items"]), (1, &"j.0".into(), &10.into()));
    assert_eq!((&dead[0]["host"], &dead[0]["attempts"]), (&"node-13".into(), &5.into()));
    assert_eq!((list(&["j"]).len(), list(&["card"]).len(), list(&["k"]).len()), (1, 1, 0));
    let table = String::from_utf8(cluster.run(PACKHORSE, ["dead", "list"]).exits(0).out).expect("text");
    assert!(table.contains("j.0 ") && table.contains("no card left"), "{table}");
    let shown = String::from_utf8(cluster.run(PACKHORSE, ["dead", "show", "j.0"]).exits(0).out).expect("text");
    for text in ["after attempt 5, on node-13", "stderr  abort", "item    t/000/00009"] {
        assert!(shown.contains(text), "{shown}");
    }
    cluster.run(PACKHORSE, ["dead", "show", "j.1"]).exits(2);
    let explain = |id: &str| cluster.run(PACKHORSE, ["explain", id]);
    let said = String::from_utf8(explain("j.0").exits(0).out).expect("text");
    assert!(said.starts_with("task j.0 failed for the last time: attempt 5, on node-13: no card left"), "{said}");

    let said = cluster.run(PACKHORSE, ["dead", "replay", "card"]).exits(0).out;
    assert_eq!(String::from_utf8_lossy(&said), "1 tasks will be done again\n");
    assert_eq!(cluster.status("j").expect("it is known")["state"], "running");
    let said = String::from_utf8(explain("j").exits(0).out).expect("text");
    assert_eq!(said, "job j waits: no live consumer serves t of digest, and 1 of 1 tasks are open.\n");
    explain("none").exits(2);
    explain("no id").exits(2);
    let consumer = cluster.consumer(&[]);
    assert_same(&cluster.report("j"), &wanted);
    assert_same(&std::fs::read(cluster.world.path("reports/j.txt")).expect("a report"), &wanted);
    let status = cluster.status("j").expect("it is known");
    assert_eq!((&status["counts"]["tasks_failed"], &status["counts"]["replays"]), (&0.into(), &1.into()));
    assert!(list(&[]).is_empty());
    consumer.stop().exits(0);
}

#[tokio::test]
async fn dead_tasks_are_forgotten_or_put_back_to_work_where_nobody_works_on_their_store() {
    let cluster = Cluster::new().await;
    // The first task of a job has 16 of them.
    cluster.world.tree("t", 20);
    let all = cluster.world.sha1sum(&["t"]);
    let second: Vec<u8> = all.split_inclusive(|&byte| byte == b'\n').skip(16).flatten().copied().collect();
    let reducer = cluster.reducer(&["--state", "store"]);
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    let producer = cluster.producer(&["t", "--job", "j"]);
    tokio::time::timeout(crate::world::LIMIT, fail(&transport, 10)).await.expect("five attempts each");
    transport.close().await;
    producer.wait().exits(1);
    let said = cluster.run(PACKHORSE, ["dead", "drop", "j.0"]).exits(0).out;
    assert_eq!(String::from_utf8_lossy(&said), "1 dead tasks are no longer listed; they stay failed\n");
    assert_eq!(cluster.status("j").expect("it is known")["counts"]["tasks_failed"], 2);
    let again = cluster.run(PACKHORSE, ["dead", "drop", "j.0"]).exits(0).out;
    assert_eq!(String::from_utf8_lossy(&again), "no dead task matches\n");
    let said = String::from_utf8(cluster.run(PACKHORSE, ["explain", "j.0"]).exits(0).out).expect("text");
    assert!(said.contains("it was dropped from the dead tasks, and stays failed"), "{said}");
    cluster.run(PACKHORSE, ["dead", "drop", ""]).exits(2);
    let wrong = cluster.run(PACKHORSE, ["dead", "show", "j"]).exits(2);
    assert!(wrong.err.contains("give a task as JOB.NUMBER"), "{}", wrong.err);
    reducer.stop().exits(0);

    let of_store = |args: &[&str]| cluster.world.packhorse([&["dead"], args, &["--state", "store"]].concat()).exits(0);
    let dead = of_store(&["list", "--json"]).json();
    assert_eq!((dead.len(), &dead[0]["task"]), (1, &"j.1".into()));
    let shown = String::from_utf8(of_store(&["show", "j.1"]).out).expect("text");
    assert!(shown.contains("on node-13"), "{shown}");
    let said = String::from_utf8(of_store(&["replay"]).out).expect("text");
    assert!(said.starts_with("1 tasks will be done again;"), "{said}");
    let (reducer, consumer) = (cluster.reducer(&["--state", "store"]), cluster.consumer(&[]));
    assert_same(&cluster.run(REDUCER, ["--job", "j"]).exits(1).out, &second);
    for role in [reducer, consumer] {
        role.stop().exits(0);
    }
}
