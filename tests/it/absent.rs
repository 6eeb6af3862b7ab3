//! Reducers that are not there, or leave: whoever waits for them says so, and waits no longer than it makes
//! sense to.

use std::sync::Arc;
use std::time::SystemTime;

use shared::protocol::id::{JobId, OpeningId, PlanHash};
use shared::protocol::job::{Counts, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{Ended, Message, Opened, Reply, ReportChunk, ReportOf, Request, kind};
use shared::protocol::path::to_base64;
use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::transport::{Incoming, Subscribe, Transport, connect};

use crate::cluster::Cluster;
use crate::world::{PACKHORSE, REDUCER, assert_same};

/// An owner of a job that has finished, with failures that it never gets to name, and perhaps a report.
async fn owner_with_a_report(transport: Arc<dyn Transport>, report: Option<&str>) {
    let owner = "main".parse().expect("an id");
    let (queue, bindings) = topology::owner_control(&owner);
    let subscribe = Subscribe { queue, bindings, prefetch: 1 };
    let mut requests = transport.subscribe(subscribe).await.expect("subscribed");
    let status = |job: &JobId| JobStatus {
        schema: 1,
        job: job.clone(),
        opening: OpeningId::from_name(b"o"),
        owner: owner.clone(),
        workload: Workload::Digest,
        state: JobState::Finished,
        counts: Counts { items_planned: 3, items_failed: 3, ..Counts::default() },
        consumers: 0,
        unserved: Vec::new(),
        waits: None,
        plan: None,
        seconds: 1.0,
        report_sha256: Some("00".to_owned()),
        sum: None,
    };
    loop {
        let Incoming::Delivery(delivery) = requests.next().await.expect("a request") else { continue };
        let request: Request = delivery.message.parse().expect("a request");
        let reply = match request {
            Request::Ping => Some(Reply::Pong { owner: owner.clone(), session: None }),
            Request::Open(request) => {
                let (job, owner) = (request.job, owner.clone());
                let (opening, after, plan_end) = (OpeningId::from_name(b"o"), PlanHash::start(), Some(0));
                let ended = Some(Ended { job: job.clone(), state: JobState::Finished, at: 0.0 });
                Some(Reply::Opened(Opened { job, opening, owner, planned: 0, after, plan_end, ended }))
            }
            Request::Status { job } => Some(Reply::Status(Box::new(status(&job)))),
            Request::Report { of: ReportOf::Results, from, .. } => report.map(|report| {
                let text_base64 = to_base64(report.as_bytes());
                Reply::Report(ReportChunk { text_base64, next: from, last: true })
            }),
            _ => None,
        };
        if let (Some(reply), Some(key)) = (reply, delivery.message.reply_to.clone()) {
            let mut message = Message::json(kind::REPLY, "r".to_owned(), &reply, SystemTime::now());
            message.correlation = Some(delivery.message.id.clone());
            transport.publish(topology::CONTROL, &key, message).await.expect("published");
        }
        delivery.acker.ack().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_reducer_that_left_ends_or_says_what_it_waits_for() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 3);
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    transport.declare(&topology::shared()).await.expect("declared");
    let owner = tokio::spawn(owner_with_a_report(Arc::clone(&transport), None));
    let producer = cluster.producer(&["t", "--job", "j"]);
    let report = cluster.start(REDUCER, ["--job", "j"]);
    // The job is over, and so is the command; the report is what the other one is for.
    let said = producer.wait().exits(1).err;
    let expected = "reducer main does not answer any more; packhorse reducer --job j lists the 3 items that failed";
    assert!(said.contains(expected) && said.contains("job j finished"), "{said}");
    report.says("no reducer \"main\" answers, waiting for one; start it with: packhorse reducer --broker amqp://");
    owner.abort();
    transport.close().await;
}

#[tokio::test]
async fn what_changes_something_does_not_take_silence_for_done() {
    let cluster = Cluster::new().await;
    for command in [&["cancel", "j"][..], &["dead", "replay"], &["dead", "drop"]] {
        let done = cluster.run(PACKHORSE, command).exits(3);
        assert!(done.err.contains("no reducer answered. Is it running"), "{}", done.err);
        assert_same(&done.out, b"");
    }
}

#[tokio::test]
async fn what_only_asks_does_not_take_silence_for_nothing() {
    let cluster = Cluster::new().await;
    for command in [
        &["jobs"][..],
        &["status", "j"],
        &["explain", "j"],
        &["explain", "j.0"],
        &["dead", "list"],
        &["dead", "show", "j.0"],
    ] {
        let done = cluster.run(PACKHORSE, command).exits(3);
        assert!(done.err.contains("no reducer answered. Is it running, with the same keys"), "{}", done.err);
        assert_same(&done.out, b"");
    }
}

/// What the owner sends is not what the job's SHA-256 is of.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_changes_while_it_is_fetched_is_not_taken_for_whole() {
    let cluster = Cluster::new().await;
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    transport.declare(&topology::shared()).await.expect("declared");
    let owner = tokio::spawn(owner_with_a_report(Arc::clone(&transport), Some("line\n")));
    let done = cluster.start(REDUCER, ["--job", "j", "-o", "report"]).wait().exits(3);
    assert!(done.err.contains("the report of job j has changed while it was fetched"), "{}", done.err);
    assert!(!cluster.world.path("report").exists());
    owner.abort();
    transport.close().await;
}

/// Its own store is empty: with that it would take the queue of the reducer that is away, refuse what consumers
/// have to say of the job, and keep the reducer from coming back.
#[tokio::test]
async fn who_asks_for_a_report_while_the_reducer_is_away_waits_and_owns_nothing() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 300);
    let wanted = cluster.world.sha1sum(&["t"]);
    let reducer = cluster.reducer(&["--state", "r.db"]);
    cluster.producer(&["t", "--job", "j", "--no-wait"]).wait().exits(0);
    reducer.kill();
    let report = cluster.start(REDUCER, ["--job", "j", "-o", "report"]);
    report.says("no reducer \"main\" answers, waiting for one");
    // Longer than any owner was waited for.
    std::thread::sleep(limits::CONTROL_TIMEOUT * 2);
    let reducer = cluster.reducer(&["--state", "r.db"]);
    let consumer = cluster.consumer(&[]);
    report.wait().exits(0);
    assert_same(&std::fs::read(cluster.world.path("report")).expect("written"), &wanted);
    let status = cluster.status("j").expect("it is known");
    assert_eq!(status["counts"]["dead_letters"], 0, "nothing that was honest is refused: {status}");
    assert!(!cluster.world.path("../home/.local/state/packhorse").exists(), "no store was made");
    for role in [consumer, reducer] {
        role.stop().exits(0);
    }
}

/// With the store of the reducer that is away, when it has been away for long.
#[tokio::test]
async fn who_asks_for_a_report_owns_a_job_that_its_store_knows_only_after_a_long_silence() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 30);
    let wanted = cluster.world.sha1sum(&["t"]);
    let reducer = cluster.reducer(&[]);
    cluster.producer(&["t", "--job", "j", "--no-wait"]).wait().exits(0);
    reducer.kill();
    let report = cluster.start(REDUCER, ["--job", "j", "-o", "report"]);
    report.says("no reducer main answers; if none does within 15 s, this command owns the job with its store");
    let consumer = cluster.consumer(&[]);
    report.says("The reducer is ready.");
    report.wait().exits(0);
    assert_same(&std::fs::read(cluster.world.path("report")).expect("written"), &wanted);
    consumer.stop().exits(0);
}

/// It owns the job itself, and goes when its report is written.
#[tokio::test]
async fn a_producer_hears_of_the_end_from_a_reducer_of_one_job() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 30);
    std::os::unix::fs::symlink("nowhere", cluster.world.path("t/z")).expect("made");
    let consumer = cluster.consumer(&[]);
    let reducer = cluster.start(REDUCER, ["--job", "j", "--heartbeat", "1", "--state", "store"]);
    reducer.says("The reducer is ready.");
    let producer = cluster.producer(&["t", "--job", "j", "--follow"]);
    for process in [reducer, producer] {
        let said = process.wait().exits(1).err;
        assert!(said.contains("job j finished") && said.contains("t/z: "), "{said}");
    }
    consumer.stop().exits(0);
}
