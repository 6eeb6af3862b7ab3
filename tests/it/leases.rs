//! Tasks that outlast the broker's acknowledgement time-out.

use std::time::{Duration, Instant};

use crate::broker;
use crate::cluster::Cluster;
use crate::world::{CONSUMER, PRODUCER, REDUCER, World, counts, eventually};

/// Larger than anyone reads: its reader is there until the file is cut.
const ENDLESS: u64 = 1 << 40;
/// The broker looks every 5 s whether a consumer has taken more than 60 s for an ack.
const IMPATIENT: &str = "[{rabbit, [{consumer_timeout, 60000}, {channel_tick_interval, 5000}]}].";
/// By then it has looked.
const TIMED_OUT: Duration = Duration::from_secs(72);

#[tokio::test]
async fn a_task_longer_than_the_brokers_patience_is_done_once() {
    let cluster = Cluster::around(broker::with_settings(IMPATIENT).await);
    for name in ["t/z", "u/z", "v/z"] {
        cluster.world.sparse(name, ENDLESS);
    }
    // More patient than consumers that work hard are punctual.
    let _reducer = cluster.ready(REDUCER, &["--heartbeat", "5"]);
    let patient = || cluster.consumer(&["-j", "1", "--workload", "digest", "--ack-timeout", "20"]);
    let mut consumers = vec![patient(), patient()];
    // It has been told something that is not so of its broker.
    let wrong = cluster.start(CONSUMER, ["--root", "u=u", "--heartbeat", "1", "-j", "1", "--ack-timeout", "3600"]);
    let keeps = ["--root", "v=v", "--heartbeat", "1", "-j", "1", "--ack-timeout", "20"];
    let keeper = cluster.start(CONSUMER, keeps);
    let kept = cluster.start(PRODUCER, ["sha1", "v", "--job", "kept"]);
    let leased = cluster.producer(&["t", "--job", "leased"]);
    let lost = cluster.start(PRODUCER, ["sha1", "u", "--job", "lost"]);
    let holder = eventually("one reads", || consumers.iter().position(|consumer| consumer.has_open("t/z")));
    eventually("the other one reads", || wrong.has_open("u/z").then_some(()));
    eventually("and the third one", || keeper.has_open("v/z").then_some(()));
    let started = Instant::now();
    let holder = consumers.remove(holder);
    let idle = consumers.remove(0);
    holder.says("A lease replaces the delivery of this task.");
    tokio::time::sleep(TIMED_OUT.saturating_sub(started.elapsed())).await;

    let names = ["tasks_open", "resends", "redeliveries", "duplicates"];
    assert_eq!(counts(&cluster.status("leased").expect("it is known"), names), [1, 0, 0, 0]);
    assert!(holder.has_open("t/z") && !idle.has_open("t/z"), "it is at work, and nobody else is");
    // A holder that is gone names nothing.
    holder.kill();
    idle.reads(&cluster.world.path("t/z"));
    for name in ["t/z", "u/z", "v/z"] {
        cluster.world.file(name, "cut");
    }
    // Whoever is there to the end answers once.
    kept.wait().exits(1);
    let names = ["tasks_done", "resends", "redeliveries", "duplicates"];
    assert_eq!(counts(&cluster.status("kept").expect("it is known"), names), [1, 0, 0, 0]);
    keeper.stop().exits(0);
    leased.wait().exits(1);
    assert_eq!(counts(&cluster.status("leased").expect("it is known"), names), [1, 1, 0, 0]);
    // Without a lease the broker has delivered it once more, and it was done twice.
    lost.wait().exits(1);
    cluster.reaches("lost", "duplicates", 1);
    idle.stop().exits(0);
}

#[test]
fn a_time_out_that_cannot_be_honoured_is_refused_at_the_start() {
    let world = World::new();
    world.tree("t", 1);
    let args = ["--root", "t=t", "--broker", "amqp://127.0.0.1:1", "--ack-timeout", "20"];
    let done = world.command(CONSUMER, args).done().exits(2);
    assert!(done.err.contains("--ack-timeout 20 is shorter than four heartbeats of 10 s"), "{}", done.err);
}
