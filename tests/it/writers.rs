//! Two writers of one thing: an output directory, an owner's name. And reports that cannot be written.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use shared::protocol::id::{OwnerId, StoreId};
use shared::protocol::limits;
use shared::protocol::message::{Message, Reply, Request, Session, kind};
use shared::protocol::topology;
use shared::transport::ask::Asker;
use shared::transport::{Transport, connect};

use crate::cluster::Cluster;
use crate::world::{PACKHORSE, REDUCER, assert_same};

#[tokio::test]
async fn an_output_directory_has_one_reducer_at_a_time() {
    let cluster = Cluster::new().await;
    let of = |name| ["--owner", name, "--state", name, "--output-dir"];
    let first = cluster.reducer(&[&of("a")[..], &["out"]].concat());
    fs::create_dir(cluster.world.path("beside")).expect("a directory");
    for same in ["out", "./out/", "beside/../out"] {
        let second = cluster.run(REDUCER, [&of("b")[..], &[same]].concat()).exits(3);
        let who = format!("is in use by reducer a (process {} on ", first.id());
        assert!(second.err.contains(&who), "{}", second.err);
    }
    // Its lock ends with it, however that ends.
    first.kill();
    let second = cluster.reducer(&[&of("b")[..], &["out"]].concat());
    second.stop().exits(0);
    assert_eq!(cluster.world.names("out"), [""; 0]);
}

#[tokio::test]
async fn why_a_report_cannot_be_written_is_told_to_all_who_wait_for_it() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 3);
    fs::create_dir_all(cluster.world.path("out/j.txt")).expect("a directory where the report is to be");
    let (reducer, consumer) = (cluster.reducer(&["--output-dir", "out"]), cluster.consumer(&[]));
    let producer = cluster.producer(&["t", "--job", "j"]);
    let report = cluster.start(REDUCER, ["--job", "j"]);
    let reason = "its report cannot be written: cannot write the report out/j.txt: ";
    for waiting in [&producer, &report] {
        waiting.says(&format!("job j waits: {reason}"));
    }
    let waits = cluster.status("j").expect("it is known")["waits"].clone();
    assert!(waits.as_str().is_some_and(|waits| waits.starts_with(reason)), "{waits}");
    let text = |args: [&str; 2]| String::from_utf8(cluster.run(PACKHORSE, args).exits(0).out).expect("text");
    let shown = text(["status", "j"]);
    assert!(shown.contains(&format!("\n  waits   {reason}")), "{shown}");
    let explained = text(["explain", "j"]);
    let (begin, end) = (format!("job j has all its outcomes, and {reason}"), "it is tried again every 10 s.\n");
    assert!(explained.starts_with(&begin) && explained.ends_with(end), "{explained}");

    fs::remove_dir(cluster.world.path("out/j.txt")).expect("it is empty");
    producer.wait().exits(0);
    let wanted = cluster.world.sha1sum(&["t"]);
    assert_same(&report.wait().exits(0).out, &wanted);
    assert_same(&fs::read(cluster.world.path("out/j.txt")).expect("a report"), &wanted);
    assert!(cluster.status("j").expect("it is known").get("waits").is_none());
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn a_reducer_that_wakes_up_beside_its_successor_ends_and_both_say_so() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 3);
    // The broker misses it soon.
    let url = format!("{}?heartbeat=1", cluster.url());
    let first = cluster.world.command(REDUCER, ["--state", "first", "--heartbeat", "1", "--output-dir", "out1"]);
    let first = first.env("PACKHORSE_BROKER", url).start();
    first.says("The reducer is ready.");
    let submit = |job: &str| cluster.producer(&["t", "--job", job, "--no-wait"]).wait().exits(0);
    submit("before");
    first.signal("STOP");
    for file in ["", "-wal"] {
        let path = |name: &str| cluster.world.path(format!("{name}{file}"));
        fs::copy(path("first"), path("second")).expect("a copy");
    }
    let second = cluster.reducer(&["--state", "second", "--output-dir", "out2"]);
    submit("meanwhile");
    let id = first.id();
    first.signal("CONT");
    let done = first.wait().exits(3);
    assert!(done.err.contains(&answers("another", second.id())), "{}", done.err);
    second.says(&answers("Another", id));
    // What was asked of the name while the first was away is not lost.
    let consumer = cluster.consumer(&[]);
    let wanted = cluster.world.sha1sum(&["t"]);
    for job in ["before", "meanwhile"] {
        assert_same(&cluster.report(job), &wanted);
    }
    consumer.stop().exits(0);
    second.stop().exits(0);
}

fn answers(another: &str, process: u32) -> String {
    format!("{another} reducer main answers: process {process} on ")
}

#[tokio::test]
async fn of_two_with_one_name_the_one_that_started_later_goes_on() {
    let cluster = Cluster::new().await;
    let reducer = cluster.reducer(&[]);
    let second = cluster.run(REDUCER, ["--state", "elsewhere"]).exits(2);
    let where_it_runs = format!("a reducer main is running already (process {} on ", reducer.id());
    assert!(second.err.contains(&where_it_runs), "{}", second.err);
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    let mut asker = Asker::new(Arc::clone(&transport)).await.expect("a queue for replies");
    let main = OwnerId::main();
    let reply = asker.ask(&main, &Request::Ping, limits::CONTROL_TIMEOUT).await.expect("it is sent");
    let Some(Reply::Pong { session: Some(Session { id, .. }), .. }) = reply else { panic!("{reply:?}") };
    claim(&*transport, ("earlier", 7, 0.0), None).await;
    reducer.says(&answers("Another", 7));
    cluster.run(PACKHORSE, ["jobs", "--owner", "main"]).exits(0);
    // Said by one that may be gone: this one asks whether it is.
    claim(&*transport, ("later", 8, 1e11), None).await;
    cluster.run(PACKHORSE, ["jobs", "--owner", "main"]).exits(0);
    claim(&*transport, ("later", 8, 1e11), Some(id)).await;
    let done = reducer.wait().exits(3);
    assert!(done.err.contains(&answers("another", 8)), "{}", done.err);
    transport.close().await;
}

/// As another process says that it is the reducer main.
async fn claim(transport: &dyn Transport, (id, process, since): (&str, u32, f64), answers: Option<String>) {
    let (store, host) = (StoreId::from_name(b"another"), "elsewhere".to_owned());
    let session = Session { id: id.to_owned(), store, host, process, since };
    let claim = Request::Claim { session, answers };
    let message = Message::json(kind::REQUEST, id.to_owned(), &claim, SystemTime::now());
    let key = topology::owner_request_key(&OwnerId::main());
    transport.publish(topology::CONTROL, &key, message).await.expect("it has a queue");
}
