//! Jobs that are ended as they stand: on every consumer, over restarts, and in stores.

use std::time::{Duration, Instant};

use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::protocol::workload::files::Root;
use shared::transport::connect;

use crate::cluster::Cluster;
use crate::world::{CONSUMER, PACKHORSE, Process, REDUCER, World, assert_same, counts, eventually};

/// Larger than anyone reads.
const ENDLESS: u64 = 1 << 40;
/// A cancellation takes effect everywhere long before the next heartbeat is due. On a quiet machine that is
/// well within two seconds; one that does much else at the time needs longer for everything.
const SOON: Duration = Duration::from_secs(30);
const HEARTBEAT: &str = "120";

/// Tasks of root `t` that wait in their queue.
async fn waiting(cluster: &Cluster) -> u32 {
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    let queue = topology::tasks(Workload::Digest, &Root::class_of("t")).0.name;
    let state = transport.queue(&queue).await.expect("it answers").expect("it is there");
    transport.close().await;
    state.ready
}

async fn empties(cluster: &Cluster) {
    let give_up = Instant::now() + crate::world::LIMIT;
    while waiting(cluster).await > 0 {
        assert!(Instant::now() < give_up, "tasks of a cancelled job stay in their queue");
    }
}

#[tokio::test]
async fn a_job_is_cancelled_on_every_consumer_long_before_a_heartbeat() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 300);
    let done = cluster.world.sha1sum(&["t"]);
    // Each a task of its own, read when the job is cancelled.
    let endless: Vec<_> = (0..6).map(|number| cluster.world.sparse(&format!("t/z{number}"), ENDLESS)).collect();
    let _reducer = cluster.ready(REDUCER, &["--output-dir", "reports", "--heartbeat", HEARTBEAT]);
    // Enough slots, and nothing fetched ahead, that no order of the tasks keeps the small files waiting for large ones.
    let consumers = ["4", "3"].map(|slots| {
        let slots = ["-j", slots, "--prefetch", slots];
        cluster.ready(CONSUMER, &[&["--root", "t=t", "--heartbeat", HEARTBEAT], &slots[..]].concat())
    });
    let producer = cluster.producer(&["t", "--job", "j"]);
    cluster.reaches("j", "items_planned", 306);
    let reads = |process: &Process| endless.iter().any(|path| process.has_open(path));
    cluster.reaches("j", "items_done", 300);
    eventually("both read", || consumers.iter().all(reads).then_some(()));

    let started = Instant::now();
    let cancelled = cluster.run(PACKHORSE, ["cancel", "j", "--json"]).exits(0);
    let told = started.elapsed();
    while consumers.iter().any(reads) {
        let taken = started.elapsed();
        assert!(taken < SOON, "a consumer reads on, {:?} after the receipt", taken.saturating_sub(told));
    }
    eprintln!("cancelled on every consumer after {:?}", started.elapsed());
    let receipt = cancelled.json().remove(0);
    assert_eq!((&receipt["type"], &receipt["state"]), (&"receipt".into(), &"cancelled".into()));
    let [planned, done_tasks, failed, cancelled, open] =
        counts(&receipt, ["tasks_planned", "tasks_done", "tasks_failed", "tasks_cancelled", "tasks_open"]);
    assert_eq!((done_tasks + cancelled, failed, cancelled, open), (planned, 0, 6, 0));
    assert_eq!(counts(&receipt, ["items_done", "items_failed", "items_cancelled"]), [300, 0, 6]);
    let said = producer.wait().exits(3).err;
    assert!(said.contains("job j cancelled after") && said.contains(", 6 cancelled;"), "{said}");
    assert!(said.contains("job j was cancelled before it was done"), "{said}");
    empties(&cluster).await;

    // What was done is in the report; nothing changes it any more, and the consumers are free.
    assert_same(&cluster.run(REDUCER, ["--job", "j"]).exits(3).out, &done);
    assert_same(&std::fs::read(cluster.world.path("reports/j.txt")).expect("a report"), &done);
    for path in endless {
        std::fs::remove_file(path).expect("removed");
    }
    cluster.producer(&["t", "--job", "k"]).wait().exits(0);
    let again = cluster.run(PACKHORSE, ["cancel", "j", "--json"]).exits(0).json().remove(0);
    assert_eq!(again["counts"], receipt["counts"]);
    let ended = cluster.run(PACKHORSE, ["cancel", "k"]).exits(0);
    assert!(ended.err.contains("job k has ended already"), "{}", ended.err);
    let unknown = cluster.run(PACKHORSE, ["cancel", "none"]).exits(2);
    assert!(unknown.err.contains("no reducer that answered has job none; packhorse jobs lists"), "{}", unknown.err);
    let refused = cluster.producer(&["t", "--job", "j"]).wait().exits(2);
    assert!(refused.err.contains("job j was cancelled; to do it after all"), "{}", refused.err);
    for consumer in consumers {
        consumer.stop().exits(0);
    }
    assert_eq!(waiting(&cluster).await, 0, "every delivery was acked");
}

#[tokio::test]
async fn a_cancelled_job_stays_cancelled_when_everyone_is_killed() {
    let cluster = Cluster::new().await;
    let endless: Vec<_> = (0..4).map(|number| cluster.world.sparse(&format!("t/z{number}"), ENDLESS)).collect();
    let reducer = cluster.reducer(&[]);
    let consumer = cluster.consumer(&["-j", "1"]);
    cluster.producer(&["t", "--job", "j", "--no-wait"]).wait().exits(0);
    eventually("one is read", || endless.iter().any(|path| consumer.has_open(path)).then_some(()));
    consumer.kill();
    let receipt = cluster.run(PACKHORSE, ["cancel", "j", "--json"]).exits(0).json().remove(0);
    reducer.kill();
    assert!(waiting(&cluster).await > 0, "nobody has taken them");

    // A new consumer finds the tasks before anyone tells it, and the owner says so when it is back.
    let consumer = cluster.consumer(&["-j", "1"]);
    let _reducer = cluster.reducer(&[]);
    empties(&cluster).await;
    eventually("the consumer is free", || (!endless.iter().any(|path| consumer.has_open(path))).then_some(()));
    let status = cluster.status("j").expect("it is known");
    assert_eq!((&status["state"], &status["counts"]), (&"cancelled".into(), &receipt["counts"]));
    for path in endless {
        std::fs::remove_file(path).expect("removed");
    }
    cluster.world.file("t/a", "a");
    cluster.producer(&["t", "--job", "k"]).wait().exits(0);
}

#[tokio::test]
async fn a_plan_that_is_still_walked_ends_and_so_does_a_command_that_owns_its_job() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 50);
    let done = cluster.world.sha1sum(&["t"]);
    cluster.world.sparse("t/z", ENDLESS);
    let consumer = cluster.consumer(&["-j", "2"]);
    let command = cluster.start(PACKHORSE, ["sha1", "t", "--job", "own"]);
    cluster.reaches("own", "items_done", 50);
    cluster.run(PACKHORSE, ["cancel", "own"]).exits(0);
    let command = command.wait().exits(3);
    assert_same(&command.out, &done);
    assert!(command.err.contains("job own was cancelled before it was done"), "{}", command.err);

    // A directory so large that its plan goes on for a while.
    let _reducer = cluster.reducer(&[]);
    for number in 0..60 {
        cluster.world.tree(&format!("t/{number}"), 500);
    }
    let producer = cluster.producer(&["t", "--job", "walk", "--no-wait"]);
    cluster.reaches("walk", "tasks_planned", 2);
    cluster.run(PACKHORSE, ["cancel", "walk"]).exits(0);
    let code = producer.wait().code;
    assert!(code == 3 || code == 0, "{code}");
    let status = cluster.status("walk").expect("it is known");
    let [planned, done, failed, cancelled] =
        counts(&status, ["tasks_planned", "tasks_done", "tasks_failed", "tasks_cancelled"]);
    assert_eq!((&status["state"], done + failed + cancelled), (&"cancelled".into(), planned));
    consumer.stop().exits(0);
}

#[test]
fn a_job_in_a_store_is_cancelled_where_it_does_not_run() {
    let world = World::new();
    world.tree("t", 50);
    world.sparse("t/z", ENDLESS);
    let run = ["sha1", "t", "--state", "s", "--job", "j", "-o", "m"];
    let cancel = ["cancel", "j", "--state", "s"];
    let running = world.command(PACKHORSE, run).start();
    running.opens(&world.path("t/z"));
    let refused = world.packhorse(cancel).exits(2);
    assert!(refused.err.contains("Stop a command with Ctrl-C"), "{}", refused.err);
    running.kill();
    let receipt = String::from_utf8(world.packhorse(cancel).exits(0).out).expect("text");
    assert!(receipt.contains("job j cancelled after") && receipt.contains(" cancelled;"), "{receipt}");
    assert_eq!(world.sql("s", "SELECT state, tasks_cancelled > 0 FROM job_summary"), "cancelled|1");
    world.packhorse(cancel).exits(0);
    assert!(world.packhorse(run).exits(2).err.contains("job j was cancelled"));
    let why = String::from_utf8(world.packhorse(["explain", "j", "--state", "s"]).exits(0).out).expect("text");
    assert!(why.starts_with("no command or reducer works on this store now; job j was cancelled when "), "{why}");
    // Without its id the same request is a new job.
    std::fs::remove_file(world.path("t/z")).expect("removed");
    world.packhorse(["sha1", "t", "--state", "s", "-o", "m"]).exits(0);
    assert_eq!(world.sql("s", "SELECT count(*) FROM jobs"), "2");

    assert!(world.packhorse(["cancel", "none", "--state", "s"]).exits(2).err.contains("jobs --state s lists"));
    assert!(world.packhorse(["cancel", "j", "--state", "none"]).exits(2).err.contains("no store none"));
    let nowhere = world.packhorse(["cancel", "j"]).exits(2);
    assert!(nowhere.err.contains("press Ctrl-C there"), "{}", nowhere.err);
}
