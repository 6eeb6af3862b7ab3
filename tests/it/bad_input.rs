//! What users, brokers and strangers get wrong: a clear error, nothing lost, nothing doubled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use shared::protocol::id::{Class, OwnerId, PlanHash};
use shared::protocol::message::{Address, HeaderValue, Message, Task};
use shared::protocol::payload::Payload;
use shared::protocol::topology::{self, QueueKind, Topology};
use shared::protocol::workload::Workload;
use shared::transport::{Incoming, Subscribe, Transport, connect};

use crate::broker;
use crate::cluster::Cluster;
use crate::world::{CONSUMER, LIMIT, PACKHORSE, REDUCER, World, assert_same, eventually};

/// Larger than anyone reads: its reader is there until the file is cut.
const ENDLESS: u64 = 1 << 40;

#[test]
fn a_broker_that_cannot_be_reached_is_named_without_its_password() {
    let world = World::new();
    world.file("t/a", "a");
    world.file("url", "amqp://u:s3cret@127.0.0.1:1/v\n");
    for args in
        [&["sha1", "t"][..], &["consumer", "--root", "t=t"], &["reducer"], &["jobs"], &["producer", "sha1", "t"]]
    {
        let run = world.command(PACKHORSE, [args, &["--connect-timeout", "0.3"]].concat());
        let done = run.env("PACKHORSE_BROKER_FILE", "url").done().exits(3);
        assert!(done.err.contains("cannot reach the broker at amqp://u:***@127.0.0.1:1/v"), "{args:?}: {}", done.err);
        assert!(!format!("{}{:?}", done.err, done.out).contains("s3cret"), "{args:?}: {}", done.err);
    }
    let done = world.command(PACKHORSE, ["sha1", "t"]).env("PACKHORSE_BROKER_FILE", "none").done().exits(2);
    assert!(done.err.contains("cannot read none (named by PACKHORSE_BROKER_FILE)"), "{}", done.err);
    // It stops while it waits for a broker, too.
    let waiting = world.command(PACKHORSE, ["sha1", "t", "--broker", "amqp://127.0.0.1:1"]).start();
    waiting.says("127.0.0.1:1");
    waiting.stop().exits(130);
}

#[tokio::test]
async fn roles_wait_for_an_absent_broker_and_survive_its_restart() {
    let cluster = Cluster::around(broker::absent());
    cluster.world.tree("t", 1_000);
    cluster.world.file("t/zzz", "held up here");
    let wanted = cluster.world.sha1sum(&["t"]);
    let held = cluster.world.sparse("t/zzz", ENDLESS);
    let reducer = cluster.start(REDUCER, ["--heartbeat", "1"]);
    let consumer = cluster.start(CONSUMER, ["--root", "t=t", "--heartbeat", "1", "-j", "2"]);
    let producer = cluster.producer(&["t", "--job", "j"]);
    let command = cluster.start(PACKHORSE, ["sha1", "t"]);
    for role in [&reducer, &consumer, &producer, &command] {
        role.says("127.0.0.1");
    }
    cluster.broker.start().await;
    consumer.opens(&held);
    // In order: a RabbitMQ 3.10 that is killed within seconds of a quorum queue's declaration may
    // come back with that queue hanging.
    cluster.broker.stop().await;
    cluster.world.file("t/zzz", "held up here");
    cluster.broker.start().await;
    // The one file may have been cut under its reader, or be read again whole.
    let done = command.wait();
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    // Once for each time that it was away, not once for each try and connection.
    assert!(done.err.matches("cannot reach").count() <= 2, "{}", done.err);
    producer.wait();
    let report = cluster.run(REDUCER, ["--job", "j"]).out;
    for out in [&done.out, &report] {
        let whole = out.ends_with(b"zzz\n");
        let end = if whole { wanted.len() } else { wanted.len() - "  t/zzz\n".len() - 40 };
        assert_same(out, &wanted[..end]);
    }
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn dropped_connections_neither_lose_nor_double_anything() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 4_000);
    let wanted = cluster.world.sha1sum(&["t"]);
    let reducer = cluster.reducer(&[]);
    let consumer = cluster.consumer(&["-j", "1"]);
    let producer = cluster.producer(&["t", "--job", "j"]);
    cluster.broker.close_connections().await;
    let command = cluster.start(PACKHORSE, ["sha1", "t", "--window", "3"]);
    cluster.broker.close_connections().await;
    cluster.broker.close_connections().await;
    producer.wait().exits(0);
    assert_same(&command.wait().exits(0).out, &wanted);
    assert_same(&cluster.report("j"), &wanted);
    let counts = &cluster.status("j").expect("it is known")["counts"];
    assert_eq!((&counts["items_done"], &counts["conflicts"]), (&4_000.into(), &0.into()));
    consumer.stop().exits(0);
    reducer.stop().exits(0);
    cluster.assert_tidy().await;
}

#[tokio::test]
async fn wrong_credentials_and_a_wrong_virtual_host_exit_2() {
    let cluster = Cluster::new().await;
    cluster.world.file("t/a", "a");
    let shown = cluster.broker.url().to_string();
    let wrong = [
        (shown.replace(":***@", ":s3cret@"), "refused the credentials of user \"guest\""),
        (cluster.broker.url_as("guest:guest", "none").to_string().replace(":***@", ":guest@"), "virtual host \"none\""),
    ];
    for (url, text) in &wrong {
        for args in
            [&["sha1", "t"][..], &["producer", "sha1", "t"], &["consumer", "--root", "t=t"], &["reducer"], &["jobs"]]
        {
            let done = cluster.world.packhorse([args, &["--broker", url]].concat()).exits(2);
            assert!(done.err.contains(text) && !done.err.contains("s3cret"), "{args:?}: {}", done.err);
        }
    }
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named() {
    let cluster = Cluster::new().await;
    cluster.world.file("t/a", "a");
    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    let (mut tasks, _) = topology::tasks(Workload::Digest, &Class::from_name(b"t"));
    let (mut own, _) = topology::service_owner(&OwnerId::from_name(b"main"));
    (tasks.kind, own.kind) = (QueueKind::Classic, QueueKind::Classic);
    (tasks.delivery_limit, own.delivery_limit) = (None, None);
    let topology = Topology { queues: vec![tasks.clone(), own.clone()], ..Topology::default() };
    transport.declare(&topology).await.expect("declared");
    transport.close().await;
    for (done, queue) in [
        (cluster.run(CONSUMER, ["--root", "t=t"]), &tasks.name),
        (cluster.run(PACKHORSE, ["sha1", "t"]), &tasks.name),
        (cluster.run(REDUCER, ["--heartbeat", "1"]), &own.name),
    ] {
        assert!(matches!(done.code, 2 | 3), "{done:?}");
        assert!(done.err.contains(&format!("{queue} exists on the broker with other arguments")), "{}", done.err);
    }
    cluster.assert_tidy().await;
}

/// A task as an honest owner would send it, to be spoilt.
fn task(number: u64, body: &str) -> Message {
    let id = format!("j.{number}").parse().expect("an id");
    let (owner, opening) = (OwnerId::from_name(b"main"), "o".parse().expect("an id"));
    let address = Address { task: id, opening, plan: PlanHash::start(), attempt: 1, owner, workload: Workload::Digest };
    Task {
        address,
        class: Class::from_name(b"t"),
        planned_at: None,
        avoid: Vec::new(),
        body: Payload::json(body.to_owned()),
    }
    .to_message(SystemTime::now())
}

fn batch(root: &str, path: &str, more: &str) -> String {
    let items = format!(r#"[["{path}",1]]"#);
    format!(r#"{{"algorithm":"sha1","files":{{"links":"skip","root":"{root}","items":{items}}}{more}}}"#)
}

/// Messages that no task queue should hold, and what is said of each.
fn strange() -> Vec<(Message, &'static str)> {
    let good = || task(0, &batch("t", "000/00000", ""));
    let mut without_class = good();
    without_class.headers.remove("class");
    let mut unversioned = good();
    unversioned.headers.remove("schema");
    let mut nameless = good();
    nameless.id = "nonsense".into();
    let mut flag = good();
    flag.headers.insert("schema".into(), HeaderValue::Bool(true));
    vec![
        (task(0, "this is no JSON"), "body: expected"),
        (good().with_integer("schema", 99), "unknown schema version 99, this program speaks 3"),
        (Message { kind: "nonsense".into(), ..good() }, "unknown kind \"nonsense\""),
        (without_class, "header \"class\": it is missing"),
        (unversioned, "header \"schema\": it is missing"),
        (flag, "header \"schema\": it is missing or not an integer"),
        (nameless, "header \"message_id\""),
        (good().with_text("workload", "alchemy"), "unknown workload"),
        (good().with_text("class", "other"), "not served here"),
        (task(0, &batch("t", "000/00000", r#","extra":1"#)), "body: unknown field `extra`"),
        (task(0, &batch("t", "../outside", "")), "path \"../outside\" escapes its root"),
        (task(0, &batch("t", "/etc/passwd", "")), "path \"/etc/passwd\" escapes its root"),
        (task(0, &batch("other", "a", "")), "not served here: root \"other\""),
    ]
}

/// The reasons of dead letters, as an operator finds them, until there are `count`.
pub async fn dead(transport: &Arc<dyn Transport>, count: usize) -> BTreeMap<String, usize> {
    let queue =
        topology::shared().queues.into_iter().find(|queue| queue.name == topology::DEAD_QUEUE).expect("it is there");
    let wanted = Subscribe { queue, bindings: Vec::new(), prefetch: 10 };
    let mut dead_letters = transport.subscribe(wanted).await.expect("subscribed");
    let mut reasons = BTreeMap::new();
    while reasons.values().sum::<usize>() < count {
        let next = tokio::time::timeout(LIMIT, dead_letters.next()).await;
        let next = next.unwrap_or_else(|_| panic!("only these: {reasons:#?}"));
        let Incoming::Delivery(delivery) = next.expect("a dead letter") else { continue };
        *reasons.entry(delivery.message.text("reason").unwrap_or("none").to_owned()).or_default() += 1;
        delivery.acker.ack().await;
    }
    reasons
}

#[tokio::test]
async fn strange_messages_are_dead_letters_with_a_reason_and_the_job_stays_exact() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 500);
    cluster.world.file("outside", "must not be read");
    let wanted = cluster.world.sha1sum(&["t"]);
    let held = cluster.world.sparse("t/zzz", ENDLESS);
    let reducer = cluster.reducer(&[]);
    let consumer = cluster.consumer(&["-j", "2"]);
    let producer = cluster.producer(&["t", "--job", "j"]);
    consumer.opens(&held);
    cluster.reaches("j", "items_done", 500);

    let transport = connect(cluster.broker.url(), None).await.expect("connected");
    let strange = strange();
    let key = topology::task_key(Workload::Digest, &Class::from_name(b"t"), &OwnerId::from_name(b"main"));
    for (message, _) in &strange {
        transport.publish(topology::TASKS, &key, message.clone()).await.expect("published");
    }
    // To the owner: an answer to a task of no job, a plan that is none, the end of one that nobody has, nonsense.
    let mut outcome = Message { kind: "outcome".into(), ..task(0, "{}") }.with_text("status", "done");
    (outcome.id, outcome.correlation) = ("none.0".into(), Some("none".into()));
    let planned = Message { kind: "planned".into(), ..task(0, "{}") }.with_text("after", "start");
    let plan_end =
        Message { kind: "plan_end".into(), ..task(0, r#"{"job":"none","tasks":1}"#) }.with_text("after", "start");
    // What a consumer's user might send as a plan, and a producer's as an outcome.
    let (over_outcomes, over_plans) = (plan_end.clone(), outcome.clone());
    let to_owner = [
        (topology::OUTCOMES, outcome, "an outcome for task none.0 of a job that this owner does not have"),
        (topology::PLANS, planned, r#"header "items": it is missing"#),
        (topology::PLANS, plan_end, "a plan end for job none"),
        (topology::OUTCOMES, over_outcomes, r#"a message of kind "plan_end" over packhorse.v1.outcomes"#),
        (topology::PLANS, over_plans, r#"a message of kind "outcome" over packhorse.v1.plans"#),
    ];
    for (exchange, message, _) in &to_owner {
        let key = if *exchange == topology::PLANS { "plan.main" } else { "main" };
        transport.publish(exchange, key, message.clone()).await.expect("published");
    }
    let stray = Message::new("nonsense", "x".to_owned(), Payload::json("{}"), SystemTime::now());
    transport.publish(topology::OUTCOMES, "main", stray.clone()).await.expect("published");
    transport.publish(topology::CONTROL, "owner.main", stray).await.expect("published");

    // And the two strays.
    let reasons = dead(&transport, strange.len() + to_owner.len() + 2).await;
    let of_owner = to_owner.iter().map(|(_, _, wanted)| wanted);
    for wanted in strange.iter().map(|(_, wanted)| wanted).chain(of_owner) {
        assert!(reasons.keys().any(|reason| reason.contains(wanted)), "{wanted}: {reasons:#?}");
    }
    transport.close().await;
    // They are of no opening that this store has drawn.
    let accounted = strange.len() as u64 - 1;
    eventually("every dead letter of the job is accounted for", || {
        let count = cluster.status("j")?["counts"]["dropped"]["another store"].as_u64()?;
        (count >= accounted).then_some(())
    });

    consumer.kill();
    // It is another file now than the one that was planned, and the only one without a result.
    cluster.world.file("t/zzz", "held up here");
    let consumer = cluster.consumer(&[]);
    let done = producer.wait().exits(1);
    assert!(done.err.contains(&format!("{accounted} messages named this job and were not acted on")), "{}", done.err);
    assert_same(&cluster.run(REDUCER, ["--job", "j"]).exits(1).out, &wanted);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn links_that_lead_outside_need_the_consumers_consent() {
    let cluster = Cluster::new().await;
    cluster.world.file("t/a", "a");
    cluster.world.file("outside", "o");
    std::os::unix::fs::symlink("../outside", cluster.world.path("t/link")).expect("made");
    let consumer = cluster.consumer(&[]);
    let done = cluster.run(PACKHORSE, ["sha1", "-q", "--follow-outside", "t"]).exits(1);
    assert!(
        done.err.contains("t/link: leads outside its root; start the consumer with --follow-outside"),
        "{}",
        done.err
    );
    consumer.stop().exits(0);
    let consumer = cluster.consumer(&["--follow-outside"]);
    let done = cluster.run(PACKHORSE, ["sha1", "-q", "--follow-outside", "t"]).exits(0);
    assert!(done.out.ends_with(b"  t/link\n"), "{done:?}");
    consumer.stop().exits(0);
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused_with_their_flag() {
    let world = World::new();
    world.file("t/a", "a");
    let (url, root) = (["--broker", "amqp://nowhere"], ["--root", "t=t"]);
    for (program, args, flag) in [
        (CONSUMER, &["--heartbeat", "0"][..], "--heartbeat"),
        (CONSUMER, &["--heartbeat", "1.8e19"], "--heartbeat"),
        (CONSUMER, &["--ack-timeout", "1.8e19"], "--ack-timeout"),
        (CONSUMER, &["--connect-timeout", "1.8e19"], "--connect-timeout"),
        (REDUCER, &["--heartbeat", "1e9"], "--heartbeat"),
        (REDUCER, &["--window", "0"], "--window"),
        (PACKHORSE, &["sha1", "t", "--window", "0"], "--window"),
        (PACKHORSE, &["words", "t", "--watch=1e19"], "--watch"),
    ] {
        let more = if program == CONSUMER { [&url[..], &root].concat() } else { url.to_vec() };
        let done = world.command(program, [args, &more].concat()).done().exits(2);
        assert!(done.err.contains(flag), "{args:?}: {}", done.err);
    }
    for wrong in ["amqp://u:secret/x@h/v", "amqp://u:p@h:99999", "amqp://u:p@h/%ff"] {
        let done = world.packhorse(["jobs", "--broker", wrong]).exits(2);
        assert!(done.err.contains("is not a broker's URL") && !done.err.contains("secret"), "{}", done.err);
    }
}

#[tokio::test]
async fn a_store_of_another_reducer_is_not_taken_over() {
    let cluster = Cluster::new().await;
    cluster.reducer(&["--state", "store", "--owner", "alpha"]).stop().exits(0);
    let done = cluster.run(REDUCER, ["--state", "store", "--owner", "beta"]).exits(2);
    assert!(done.err.contains("store belongs to reducer alpha, not to beta"), "{}", done.err);
    // Without a name it goes on as who it is.
    let reducer = cluster.reducer(&["--state", "store"]);
    cluster.run(REDUCER, ["--owner", "alpha", "--state", "other"]).exits(2);
    reducer.stop().exits(0);
    cluster.world.file("empty", "");
    cluster.world.packhorse(["cancel", "j", "--state", "empty"]).exits(2);
    assert_eq!(std::fs::read(cluster.world.path("empty")).expect("it stays"), b"");
}
