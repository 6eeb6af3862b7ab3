//! The roles over RabbitMQ: any number, in any order, killed and joined at any time.

use std::fs;
use std::sync::Arc;

use producer::client::source::Derived;
use producer::{Client, ClientConfig, Remote};
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::message::JobRequest;
use shared::protocol::topology;
use shared::protocol::workload::steps;
use shared::transport::{Subscribe, Subscription, Transport, connect};

use crate::cluster::Cluster;
use crate::hostile;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, REDUCER, assert_same, eventually};

/// Larger than anyone reads: its reader is there until the file is cut.
const ENDLESS: u64 = 1 << 40;

/// What is read to its end, and takes long enough for its reader to be killed meanwhile.
const LONG: u64 = 3 << 30;

#[tokio::test]
async fn one_process_a_command_with_consumers_and_three_roles_give_the_same_bytes() {
    let cluster = Cluster::new().await;
    hostile::plant(&cluster.world, "t");
    cluster.world.tree("t/many", 2_500);
    let wanted = cluster.world.packhorse(["sha1", "t"]).exits(0).out;
    assert_same(&wanted, &cluster.world.sha1sum(&["t"]));

    let reducer = cluster.reducer(&["--output-dir", "reports"]);
    let consumers = [cluster.consumer(&["-j", "1"]), cluster.consumer(&["-j", "2"])];
    let command = cluster.run(PACKHORSE, ["sha1", "t"]).exits(0);
    assert_same(&command.out, &wanted);
    assert!(command.err.contains("(fifo 1, socket 1, symlink 4)"), "{}", command.err);

    let producer = cluster.producer(&["t", "--job", "whole"]).wait().exits(0);
    assert_eq!(producer.out, b"whole\n");
    assert!(producer.err.contains("job whole finished"), "{}", producer.err);
    assert_same(&cluster.report("whole"), &wanted);
    assert_same(&fs::read(cluster.world.path("reports/whole.txt")).expect("a report"), &wanted);
    cluster.run(REDUCER, ["--job", "whole", "-o", "manifest"]).exits(0);
    assert_same(&fs::read(cluster.world.path("manifest")).expect("a report"), &wanted);

    let status = cluster.status("whole").expect("it is known");
    assert_eq!((&status["schema"], &status["state"]), (&1.into(), &"finished".into()));
    let jobs = cluster.run(PACKHORSE, ["jobs", "--json"]).exits(0).json();
    assert_eq!((jobs.len(), &jobs[0]["job"], &jobs[0]["type"]), (1, &"whole".into(), &"receipt".into()));
    let table = cluster.run(PACKHORSE, ["jobs"]).exits(0).out;
    assert!(String::from_utf8_lossy(&table).contains("whole"));
    cluster.run(PACKHORSE, ["status", "none"]).exits(2);

    for role in consumers.into_iter().chain([reducer]) {
        let done = role.stop().exits(0);
        assert!(!done.err.contains("guest:guest"), "{}", done.err);
    }
    cluster.assert_tidy().await;
}

#[tokio::test]
async fn the_roles_may_start_in_any_order_and_a_waiting_one_says_for_whom() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 200);
    let wanted = cluster.world.sha1sum(&["t"]);
    let producer = cluster.producer(&["t", "--job", "first"]);
    assert_eq!(producer.first_line(), "first");
    producer.says("no reducer \"main\" answers, waiting for one; start it with: packhorse reducer --broker amqp://");
    let consumer = cluster.consumer(&[]);
    let reducer = cluster.reducer(&[]);
    producer.wait().exits(0);
    assert_same(&cluster.report("first"), &wanted);

    consumer.stop().exits(0);
    let producer = cluster.producer(&["t", "--job", "second"]);
    let command = cluster.start(PACKHORSE, ["sha1", "t"]);
    for waiting in [&producer, &command] {
        let said = waiting.says("no consumer serves t of digest, waiting for one; start it with: packhorse consumer");
        assert!(said.contains(":***@") && said.contains(" --root t=DIR"), "{said}");
    }
    let consumer = cluster.consumer(&[]);
    producer.wait().exits(0);
    assert_same(&command.wait().exits(0).out, &wanted);
    assert_same(&cluster.report("second"), &wanted);

    // A report that is asked for before there is such a job.
    let report = cluster.start(REDUCER, ["--job", "third"]);
    report.says("waiting for job third");
    cluster.producer(&["t", "--job", "third", "--no-wait"]).wait().exits(0);
    assert_same(&report.wait().exits(0).out, &wanted);
    for role in [consumer, reducer] {
        role.stop().exits(0);
    }
    cluster.assert_tidy().await;
}

#[tokio::test]
async fn a_consumer_that_is_killed_in_mid_job_loses_nothing_and_one_may_join_late() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 2_000);
    let held = cluster.world.sparse("t/000/0", LONG);
    let wanted = cluster.world.sha1sum(&["t"]);
    let reducer = cluster.reducer(&[]);
    let consumer = cluster.consumer(&["-j", "1"]);
    let producer = cluster.producer(&["t", "--job", "j"]);
    let command = cluster.start(PACKHORSE, ["sha1", "t"]);
    consumer.opens(&held);
    consumer.kill();
    let late = cluster.consumer(&[]);
    let (done, command) = (producer.wait().exits(0), command.wait().exits(0));
    // It held a task of one of the two.
    let untouched = "; 0 redelivered, 0 sent again";
    assert!(!done.err.contains(untouched) || !command.err.contains(untouched), "{}{}", done.err, command.err);
    assert_same(&cluster.report("j"), &wanted);
    assert_same(&command.out, &wanted);
    assert_eq!(cluster.status("j").expect("it is known")["counts"]["conflicts"], 0);
    late.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_of_different_kinds_progress_together_and_each_is_exact() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 500);
    let wanted = cluster.world.sha1sum(&["t"]);
    cluster.world.sparse("t/zzz", ENDLESS);
    let reducer = cluster.reducer(&[]);
    // One slot hangs in the last file until the other job is done: neither waits for the other.
    let consumers = [cluster.consumer(&["-j", "2"]), cluster.consumer(&["-j", "2", "--workload", "steps"])];
    let producer = cluster.producer(&["t", "--job", "files"]);
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    let spec = steps::Spec { caravan: JobId::from_name(b"caravan"), rider: 0, whips: 300, needs: 0 };
    let (job, spec) = (spec.job(), JobSpec::Steps(spec));
    let owner: OwnerId = "main".parse().expect("an id");
    let config = ClientConfig {
        request: JobRequest::new(job, spec.clone()),
        owner: owner.clone(),
        wait: true,
        recheck: false,
        look: limits::STATUS_INTERVAL,
        broker: cluster.broker.url().to_string(),
        notify: Arc::new(|_| {}),
        progress: Arc::new(|_| {}),
    };
    let (_stopper, shutdown) = shared::system::shutdown::channel();
    let link = Remote::straight(Arc::clone(&transport), owner, &spec).await.expect("linked");
    let mut rider = Client::new(config, link, Derived::new(spec, None), shutdown);
    let ride = tokio::time::timeout(crate::world::LIMIT, rider.finish());
    let status = ride.await.expect("it ends").expect("it rides").expect("its status");
    transport.close().await;
    assert_eq!(status.sum, Some(("caravan caravan".to_owned(), 299 * 300 / 2)));
    assert_eq!(status.counts.tasks_done, 300);
    cluster.reaches("files", "items_done", 500);
    assert_eq!(cluster.status("files").expect("it is known")["counts"]["tasks_open"], 1);
    fs::remove_file(cluster.world.path("t/zzz")).expect("removed");
    for consumer in consumers {
        consumer.kill();
    }
    let consumer = cluster.consumer(&[]);
    producer.wait().exits(1);
    assert_same(&cluster.run(REDUCER, ["--job", "files"]).exits(1).out, &wanted);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn a_producer_may_leave_and_a_reducer_may_come_for_one_job_alone() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 300);
    let wanted = cluster.world.sha1sum(&["t"]);
    let producer = cluster.producer(&["t", "--job", "j", "--no-wait"]);
    producer.says("no reducer \"main\" answers");
    // No service runs: the reducer that is asked for the job is its owner, and ends with it.
    let reducer = cluster.start(REDUCER, ["--job", "j", "-o", "manifest", "--state", "store"]);
    producer.wait().exits(0);
    let consumer = cluster.consumer(&[]);
    reducer.wait().exits(0);
    assert_same(&fs::read(cluster.world.path("manifest")).expect("a report"), &wanted);
    assert_eq!(cluster.world.names("."), ["manifest", "store", "t"]);
    // The store remembers it: no consumer is needed any more.
    consumer.stop().exits(0);
    let again = cluster.run(REDUCER, ["--job", "j", "--state", "store"]).exits(0);
    assert_same(&again.out, &wanted);
    cluster.assert_tidy().await;
}

/// A producer without a job's id: what has not ended goes on, what has ended is begun anew.
#[tokio::test]
async fn a_producer_goes_on_with_its_job_or_begins_it_anew_and_its_report_has_one_name() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 300);
    let reducer = cluster.reducer(&["--output-dir", "out"]);
    let submit = |more: &[&str]| cluster.producer(&[&["t", "--report", "nightly"], more].concat()).wait().exits(0);
    let first = submit(&["--no-wait"]);
    let again = submit(&["--no-wait"]);
    assert_same(&again.out, &first.out);
    assert!(again.err.contains("going on with job ") && !first.err.contains("going on"), "{}{}", first.err, again.err);
    let consumer = cluster.consumer(&[]);
    let report = |wanted: &[u8]| {
        let path = cluster.world.path("out/nightly.txt");
        eventually("the report", || fs::read(&path).ok().filter(|report| report == wanted));
    };
    report(&cluster.world.sha1sum(&["t"]));
    let id = String::from_utf8(first.out).expect("an id").trim().to_owned();
    cluster.world.file("t/000/00000", "edited");
    let anew = submit(&[]);
    assert!(anew.err.contains(&format!("the job before it, {id}, was finished at 20")), "{}", anew.err);
    report(&cluster.world.sha1sum(&["t"]));
    assert_eq!(cluster.world.names("out"), [".packhorse.lock", "nightly.txt"]);
    // Spelt alike, and another directory: another job.
    fs::rename(cluster.world.path("t"), cluster.world.path("moved")).expect("renamed");
    cluster.world.tree("t", 3);
    let other = submit(&[]);
    assert!(!other.err.contains("going on") && other.err.contains("3 done"), "{}", other.err);
    report(&cluster.world.sha1sum(&["t"]));
    // Asked for by its id, the old one is the old one.
    let old = submit(&["--job", &id]);
    assert!(old.err.contains(&format!("job {id} has ended before, at 20")), "{}", old.err);
    for role in [consumer, reducer] {
        role.stop().exits(0);
    }
}

#[tokio::test]
async fn the_same_job_twice_is_one_job_also_when_its_producer_was_killed() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 6_000);
    let wanted = cluster.world.sha1sum(&["t"]);
    let reducer = cluster.reducer(&[]);
    let first = cluster.producer(&["t", "--job", "j"]);
    cluster.reaches("j", "tasks_planned", 1);
    first.kill();
    let before = cluster.status("j").expect("it is known")["counts"]["tasks_planned"].as_u64();
    let producers = [cluster.producer(&["t", "--job", "j"]), cluster.producer(&["t", "--job", "j"])];
    let consumer = cluster.consumer(&[]);
    for producer in producers {
        producer.wait().exits(0);
    }
    assert_same(&cluster.report("j"), &wanted);
    let counts = &cluster.status("j").expect("it is known")["counts"];
    assert_eq!((&counts["items_planned"], &counts["items_done"]), (&6_000.into(), &6_000.into()));
    assert!(counts["tasks_planned"].as_u64() >= before);
    assert_eq!(cluster.run(PACKHORSE, ["jobs", "--json"]).exits(0).json().len(), 1);
    let other = cluster.producer(&["t/000", "--job", "j"]).wait().exits(2);
    assert!(other.err.contains("job j exists and asks for something else"), "{}", other.err);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn a_reducer_that_is_killed_and_started_again_goes_on_where_it_was() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 3_000);
    let wanted = cluster.world.sha1sum(&["t"]);
    let held = cluster.world.sparse("t/zzz", ENDLESS);
    let reducer = cluster.reducer(&[]);
    let producer = cluster.producer(&["t", "--job", "j"]);
    let consumer = cluster.consumer(&["-j", "2"]);
    cluster.reaches("j", "items_done", 1_000);
    reducer.kill();
    let reducer = cluster.reducer(&[]);
    cluster.reaches("j", "items_done", 3_000);
    consumer.opens(&held);
    reducer.kill();
    consumer.kill();
    // It is another file now than the one that was planned, and the only one without a result.
    cluster.world.file("t/zzz", "held up here");
    let consumer = cluster.consumer(&[]);
    let reducer = cluster.reducer(&[]);
    producer.wait().exits(1);
    assert_same(&cluster.run(REDUCER, ["--job", "j"]).exits(1).out, &wanted);
    let counts = &cluster.status("j").expect("it is known")["counts"];
    let wanted = [("items_done", 3_000), ("items_failed", 1), ("conflicts", 0)];
    assert!(wanted.iter().all(|(name, count)| counts[name] == *count), "{counts}");

    let second = cluster.run(REDUCER, ["--state", "elsewhere"]).exits(2);
    assert!(second.err.contains("a reducer main is running already"), "{}", second.err);
    let same = cluster.run(REDUCER, ["--owner", "main"]).exits(2);
    assert!(same.err.contains("in use by another process"), "{}", same.err);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// Holds the reducer's control queue, as the connection of one whose host is gone.
async fn predecessor(cluster: &Cluster) -> (Arc<dyn Transport>, Box<dyn Subscription>) {
    let gone = connect(cluster.broker.url(), None).await.expect("the broker is there");
    let (queue, bindings) = topology::owner_control(&OwnerId::from_name(b"main"));
    gone.declare(&topology::shared()).await.expect("declared");
    let held = gone.subscribe(Subscribe { queue, bindings, prefetch: 1 }).await.expect("nobody else has it");
    (gone, held)
}

#[tokio::test]
async fn a_reducer_waits_until_the_broker_misses_the_one_before() {
    let cluster = Cluster::new().await;
    let (gone, _held) = predecessor(&cluster).await;
    let reducer = cluster.start(REDUCER, ["--heartbeat", "1"]);
    reducer.says("waiting for the broker to release it");
    let waits = cluster.start(REDUCER, ["--owner", "main", "--state", "elsewhere"]);
    waits.says("waiting for the broker to release it");
    // As for any service, a stop is its ordinary end.
    waits.stop().exits(0);
    gone.close().await;
    reducer.says("The reducer is ready.");
    reducer.stop().exits(0);
}

// On threads of its own, or the holder's heartbeats would end while this test waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_reducer_does_without_a_name_that_nobody_gives_back() {
    let cluster = Cluster::new().await;
    let (gone, _held) = predecessor(&cluster).await;
    let reducer = cluster.start(REDUCER, ["--heartbeat", "1"]);
    reducer.says("using the queue packhorse.v1.control.main.1 instead");
    reducer.says("The reducer is ready.");
    let second = cluster.run(REDUCER, ["--state", "elsewhere"]).exits(2);
    assert!(second.err.contains("a reducer main is running already"), "{}", second.err);
    assert_eq!(cluster.run(PACKHORSE, ["jobs"]).exits(0).err, "");
    reducer.stop().exits(0);
    gone.close().await;
}

#[tokio::test]
async fn roots_have_names_that_each_machine_maps_for_itself() {
    let cluster = Cluster::new().await;
    for tree in ["a/t", "b/t"] {
        cluster.world.file(format!("{tree}/file"), tree);
    }
    for (args, text) in [
        (&["sha1", "a/t", "b/t"][..], "would both be called \"t\""),
        (&["sha1", "."], "write NAME=."),
        (&["sha1", "/"], "write NAME=/"),
    ] {
        let done = cluster.run(PACKHORSE, args).exits(2);
        assert!(done.err.contains(text), "{args:?}: {}", done.err);
        let done = cluster.run(PRODUCER, args).exits(2);
        assert!(done.err.contains(text) && done.out.is_empty(), "{args:?}: {}", done.err);
    }
    let roots = ["--root", "one=a/t", "--root", "two=b/t", "--root", "here=a"];
    let consumer = cluster.start(CONSUMER, roots);
    consumer.says("The consumer is ready.");
    let done = cluster.run(PACKHORSE, ["sha1", "one=a/t", "two=b/t"]).exits(0);
    assert_same(&done.out, &cluster.world.sha1sum(&["a/t", "b/t"]));
    fs::create_dir(cluster.world.path("a/sub")).expect("made");
    let here = cluster.run("sh", ["-c", r#"cd a && "$0" sha1 here=."#, PACKHORSE]).exits(0);
    assert_same(&here.out, &cluster.run("sh", ["-c", "cd a && find . -type f | xargs sha1sum"]).exits(0).out);
    consumer.stop().exits(0);
    for (args, text) in [
        (&["--root", "t"][..], "write NAME=DIR"),
        (&["--root", "t=none"], "none"),
        (&["--root", "t=a", "--root", "t=b"], "given twice"),
        (&["--workload", "digest"], "at least one --root"),
        (&["--workload", "nonsense"], "nonsense"),
        (&["-j", "0"], "--slots 0"),
        (&["--heartbeat", "0"], "seconds"),
    ] {
        let done = cluster.run(CONSUMER, args).exits(2);
        assert!(done.err.contains(text), "{args:?}: {}", done.err);
    }
}

#[tokio::test]
async fn a_file_that_is_called_like_standard_input_is_told_from_it_in_every_report() {
    let cluster = Cluster::new().await;
    for (name, content) in [("-", "a"), ("+", "b")] {
        cluster.world.file(name, content);
    }
    let wanted = cluster.world.command("sha1sum", ["+", "./-"]).done().out;
    let reducer = cluster.reducer(&["--output-dir", "reports"]);
    let consumer = cluster.ready(CONSUMER, &["--root", "here=.", "--heartbeat", "1"]);
    cluster.producer(&["here=-", "here=+", "--job", "j"]).wait().exits(0);
    assert_same(&cluster.report("j"), &wanted);
    assert_same(&fs::read(cluster.world.path("reports/j.txt")).expect("a report"), &wanted);
    let done = cluster.run(PACKHORSE, ["words", "-q", "here=-"]).exits(0);
    assert_same(&done.out, &cluster.world.command("wc", ["./-"]).done().out);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}
