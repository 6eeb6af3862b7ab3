//! Consumers over RabbitMQ that die of a file, started again as by a supervisor.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ENDLESS, Killer};
use crate::cluster::Cluster;
use crate::fuse::Mount;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, Process, REDUCER, assert_same, eventually, holders};

/// How people are told of it.
const NAMED: &str = "packhorse: t/000/00007x: its process was killed by signal 9 (SIGKILL)";

/// A job over `t`, of which all is planned. Nobody works yet.
fn planned(cluster: &Cluster, workload: &str, job: &str, more: &[&str]) -> Process {
    let producer = cluster.start(PRODUCER, [&[workload, "t", "--job", job], more].concat());
    eventually("the whole plan", || (cluster.status(job)?["state"] == "running").then_some(()));
    producer
}

/// Starts a consumer again whenever it has died, until the job is done. How many died.
fn supervise(start: impl Fn() -> Process, consumers: &mut [Process], producer: &mut Process) -> usize {
    let mut died = 0;
    loop {
        // One that died before the end is seen after it.
        let is_over = producer.has_ended();
        for consumer in consumers.iter_mut().filter_map(|consumer| consumer.has_ended().then_some(consumer)) {
            died += 1;
            *consumer = start();
        }
        if is_over {
            return died;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn counts(cluster: &Cluster, job: &str) -> Value {
    cluster.status(job).expect("it is known")["counts"].clone()
}

#[tokio::test]
async fn a_file_that_kills_two_consumers_fails_alone_with_the_signal() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 100);
    let others = cluster.world.sha1sum(&["t"]);
    // Whoever reads it is at it for seconds, although it is small enough for a task with neighbours.
    let _mount = Mount::of(&cluster.world, "t", &["-r", "--read-rate=4M"]);
    let consumer = || cluster.ready(CONSUMER, &["--root", "t=mnt", "--heartbeat", "1", "-j", "1"]);
    // More patient than consumers on a busy machine are punctual.
    let reducer = cluster.ready(REDUCER, &["--heartbeat", "2", "--state", "store", "--output-dir", "reports"]);
    for (workload, more) in [("sha1", &[][..]), ("words", &["--frequencies"][..])] {
        // Words of more than 256 KiB are refused early: its reader is to be busy with many.
        cluster.world.file("t/000/00007x", "poison ".repeat(4 << 20));
        let mut producer = planned(&cluster, workload, workload, more);
        let poison = cluster.world.path("mnt/000/00007x");
        // Longer than the owner's patience with a task that is in no queue and that nobody names.
        thread::sleep(Duration::from_secs(5));
        let killer = Killer::of(&poison, "KILL");
        let mut consumers = [consumer(), consumer()];
        let died = supervise(consumer, &mut consumers, &mut producer);
        let done = producer.wait().exits(1);
        assert_eq!((died, killer.killed()), (2, 3), "two consumers, and one process in isolation");
        assert!(done.err.contains("100 done, 1 failed; 0 skipped"), "{}", done.err);
        assert!(done.err.contains(NAMED), "{}", done.err);
        let query = format!("SELECT path, reason FROM failures WHERE job = '{workload}'");
        let failed = cluster.world.sql("store", &query);
        assert!(failed.starts_with("000/00007x|its process was killed by signal 9 (SIGKILL)"), "{failed}");
        let counts = counts(&cluster, workload);
        let of = |name: &str| counts[name].as_u64().expect("a count");
        assert_eq!((of("items_planned"), of("items_done"), of("items_failed")), (101, 100, 1), "{counts}");
        assert_eq!((of("tasks_failed"), of("conflicts"), of("dead_letters")), (0, 0, 0), "{counts}");
        assert!(of("redeliveries") >= 1, "{counts}");
        for consumer in consumers {
            consumer.stop().exits(0);
        }
    }
    let report = cluster.run(REDUCER, ["--job", "sha1"]).exits(1);
    assert_same(&report.out, &others);
    assert!(report.err.contains(NAMED), "{}", report.err);
    // The tree holds each number from 0 to 99 once.
    let frequencies = fs::read(cluster.world.path("reports/words.frequencies")).expect("frequencies");
    let wanted: std::collections::BTreeSet<String> = (0..100).map(|number| format!("1\t{number}\n")).collect();
    let wanted: String = wanted.into_iter().collect();
    assert_same(&frequencies, wanted.as_bytes());
    reducer.stop().exits(0);
    cluster.assert_tidy().await;
}

#[tokio::test]
async fn a_cancellation_ends_the_process_in_isolation_too() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 20);
    let poison = cluster.world.sparse("t/000/00007x", ENDLESS);
    let _reducer = cluster.reducer(&[]);
    let producer = planned(&cluster, "sha1", "j", &[]);
    for _ in 0..2 {
        let consumer = cluster.consumer(&["-j", "1"]);
        eventually("it reads", || (holders(&poison) == [consumer.id()]).then_some(()));
        consumer.kill();
    }
    let consumer = cluster.consumer(&["-j", "1"]);
    let child =
        eventually("a process of its own reads", || holders(&poison).into_iter().find(|&id| id != consumer.id()));
    cluster.run(PACKHORSE, ["cancel", "j"]).exits(0);
    let cancelled = Instant::now();
    while fs::exists(format!("/proc/{child}")).expect("/proc is there") {
        assert!(cancelled.elapsed() < Duration::from_secs(2), "it reads on");
        thread::sleep(Duration::from_millis(2));
    }
    assert!(holders(&poison).is_empty());
    assert!(producer.wait().exits(3).err.contains("was cancelled before it was done"));
    consumer.stop().exits(0);
}

#[tokio::test]
async fn an_isolated_process_goes_with_its_consumer_however_that_ends() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 20);
    let wanted = cluster.world.sha1sum(&["t"]);
    let held = cluster.world.sparse("t/000/00007x", ENDLESS);
    let reducer = cluster.reducer(&[]);
    let producer = planned(&cluster, "sha1", "j", &[]);
    for _ in 0..2 {
        let consumer = cluster.consumer(&["-j", "1"]);
        consumer.opens(&held);
        consumer.kill();
    }
    let isolated = |consumer: &Process| {
        let child = eventually("a process in isolation", || holders(&held).into_iter().next());
        assert_ne!(child, consumer.id(), "the consumer itself reads it");
        let parent = fs::read_to_string(format!("/proc/{child}/status")).expect("its state");
        assert!(parent.contains(&format!("\nPPid:\t{}\n", consumer.id())), "{parent}");
    };
    let nobody = || eventually("nobody reads it", || holders(&held).is_empty().then_some(()));

    let consumer = cluster.consumer(&["-j", "1"]);
    isolated(&consumer);
    consumer.says("A task may have killed consumers");
    consumer.kill();
    nobody();

    // The second signal ends it at once; the child has no time to be told.
    let consumer = cluster.consumer(&["-j", "1"]);
    isolated(&consumer);
    consumer.signal("TERM");
    consumer.says("stopping; press Ctrl-C or send the signal again to exit at once");
    consumer.signal("TERM");
    consumer.wait().exits(130);
    nobody();

    // It waits for what is under way, and then gives it back.
    let consumer = cluster.consumer(&["-j", "1"]);
    isolated(&consumer);
    consumer.stop().exits(0);
    nobody();

    // It is another file now than the one that was planned, and the only one without a result.
    cluster.world.file("t/000/00007x", "held up here");
    let consumer = cluster.consumer(&["-j", "1"]);
    producer.wait().exits(1);
    assert_same(&cluster.run(REDUCER, ["--job", "j"]).exits(1).out, &wanted);
    for role in [consumer, reducer] {
        role.stop().exits(0);
    }
    cluster.assert_tidy().await;
}
