//! An operator's policies on the broker: what they take out of queues is sent again, and said.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::world::{PACKHORSE, assert_same, counts, eventually};

/// Longer than five attempts would have taken, each of which expires.
const ALONE: Duration = Duration::from_secs(12);

/// Nobody tried what expired, so nothing fails, however long no consumer comes.
#[tokio::test]
async fn tasks_that_expire_before_a_consumer_comes_are_no_attempts() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 300);
    let wanted = cluster.world.sha1sum(&["t"]);
    let names = ["expired", "items_failed", "tasks_failed", "dead_letters"];
    cluster.broker.set_policy("short", "^packhorse", r#"{"message-ttl":500}"#).await;
    let reducer = cluster.reducer(&[]);
    let started = Instant::now();
    let producer = cluster.producer(&["t", "--job", "j"]);
    let command = cluster.start(PACKHORSE, ["sha1", "t"]);
    cluster.reaches("j", "expired", 25);
    let task = cluster.run(PACKHORSE, ["explain", "j.0"]).exits(0).out;
    let task = String::from_utf8(task).expect("UTF-8");
    assert!(task.contains("out of its queue") && task.contains("rabbitmqctl list_policies"), "{task}");
    std::thread::sleep(ALONE.saturating_sub(started.elapsed()));
    let job = String::from_utf8(cluster.run(PACKHORSE, ["explain", "j"]).exits(0).out).expect("UTF-8");
    assert!(job.contains("has taken") && job.contains("rabbitmqctl list_policies"), "{job}");
    let [expired, others @ ..] = counts(&cluster.status("j").expect("it is known"), names);
    assert!(expired > 25 && others == [0, 0, 0], "{expired} {others:?}");

    let _consumer = cluster.consumer(&[]);
    producer.wait().exits(0);
    let done = command.wait().exits(0);
    assert_same(&done.out, &wanted);
    assert_same(&cluster.report("j"), &wanted);
    let [_, others @ ..] = counts(&cluster.status("j").expect("it is known"), names);
    assert_eq!(others, [0, 0, 0]);
    let told = "A policy of the broker takes messages out of their queues";
    // Once for each job, by its owner.
    assert_eq!((done.err.matches(told).count(), reducer.stop().exits(0).err.matches(told).count()), (1, 1));
    assert!(done.err.contains("messages of this job, by a policy of the broker"), "{}", done.err);
}

/// Each of these on all queues, for a job that begins without a consumer.
#[tokio::test]
async fn no_policy_loses_or_fails_anything() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 300);
    let wanted = cluster.world.sha1sum(&["t"]);
    let reducer = cluster.reducer(&[]);
    for (number, definition) in [
        r#"{"message-ttl":0}"#,
        r#"{"expires":1000}"#,
        r#"{"max-length":3,"overflow":"drop-head"}"#,
        r#"{"max-length-bytes":100000}"#,
        r#"{"delivery-limit":0}"#,
        r#"{"dead-letter-exchange":"amq.fanout","dead-letter-routing-key":"elsewhere","message-ttl":300}"#,
    ]
    .into_iter()
    .enumerate()
    {
        cluster.broker.set_policy("odd", "^packhorse", definition).await;
        let job = format!("j{number}");
        let producer = cluster.producer(&["t", "--job", &job]);
        eventually("a job that waits", || cluster.status(&job));
        std::thread::sleep(Duration::from_secs(2));
        let consumer = cluster.consumer(&[]);
        producer.wait().exits(0);
        assert_same(&cluster.report(&job), &wanted);
        let status = cluster.status(&job).expect("it is known");
        assert_eq!(counts(&status, ["items_failed", "tasks_failed", "conflicts"]), [0; 3], "{definition}");
        consumer.stop().exits(0);
    }
    reducer.stop().exits(0);
}
