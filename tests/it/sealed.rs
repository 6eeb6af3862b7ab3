//! Messages that are encrypted: what the wire shows, who can act on what, and what becomes of the
//! rest.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use shared::protocol::id::{Class, OwnerId};
use shared::protocol::message::{Message, Request, kind};
use shared::protocol::payload::Payload;
use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::transport::{BrokerUrl, Incoming, Subscribe, Transport, connect};

use crate::bad_input::dead;
use crate::cluster::Cluster;
use crate::tap::Tap;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, Process, REDUCER, World, assert_same, eventually};

/// Roles that share a key, or none.
struct Keyed {
    cluster: Cluster,
    url: String,
    key: Option<&'static str>,
}

impl Keyed {
    async fn new() -> Self {
        let cluster = Cluster::new().await;
        cluster.world.packhorse(["key", "new", "key"]).exits(0);
        Self { url: cluster.url().to_owned(), cluster, key: Some("key") }
    }

    fn start(&self, program: &str, args: &[&str]) -> Process {
        let run = self.cluster.world.command(program, args).env("PACKHORSE_BROKER", &self.url);
        match self.key {
            Some(key) => run.env("PACKHORSE_KEY_FILE", key).start(),
            None => run.start(),
        }
    }

    fn reducer(&self) -> Process {
        let reducer = self.start(REDUCER, &["--heartbeat", "1", "--output-dir", "reports"]);
        reducer.says("The reducer is ready.");
        reducer
    }

    fn consumer(&self) -> Process {
        let consumer = self.start(CONSUMER, &["--root", "t=t", "--heartbeat", "1"]);
        consumer.says("The consumer is ready.");
        consumer
    }

    fn count(&self, job: &str, count: &str) -> Option<u64> {
        let done = self.start(PACKHORSE, &["status", job, "--json"]).wait();
        (done.code == 0).then(|| done.json().remove(0)["counts"][count].as_u64())?
    }
}

/// A whole job of each kind, and everything that is asked about it.
fn use_everything(keyed: &Keyed) -> (Vec<u8>, Vec<u8>) {
    let (reducer, consumer) = (keyed.reducer(), keyed.consumer());
    keyed.start(PRODUCER, &["sha1", "t", "--job", "digests"]).wait().exits(0);
    keyed.start(PRODUCER, &["words", "t", "--job", "words", "--frequencies"]).wait().exits(0);
    let report = keyed.start(REDUCER, &["--job", "digests"]).wait().exits(0).out;
    keyed.start(PACKHORSE, &["jobs"]).wait().exits(0);
    let own = keyed.start(PACKHORSE, &["sha1", "t"]).wait().exits(0).out;
    keyed.start(PACKHORSE, &["words", "t", "--frequencies", "counts"]).wait().exits(0);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
    (report, own)
}

#[tokio::test]
async fn a_capture_of_whole_jobs_shows_names_and_contents_without_a_key_and_none_with_one() {
    for key in [None, Some("key")] {
        let mut keyed = Keyed::new().await;
        let world = &keyed.cluster.world;
        for number in 0..200 {
            world.file(format!("t/vault/confidential-{number:03}"), format!("horseradish {number}\n"));
        }
        let wanted = world.sha1sum(&["t"]);
        let digest = String::from_utf8_lossy(&wanted[..40]).into_owned();
        let tap = Tap::before(&keyed.url);
        (keyed.url, keyed.key) = (tap.url.clone(), key);
        let (report, own) = use_everything(&keyed);
        assert_same(&report, &wanted);
        assert_same(&own, &wanted);
        // A base64 of the report has the names in one of three shapes.
        let hidden =
            ["confidential", "vault", "horseradish", &digest, "Y29uZmlkZW50aWFs", "NvbmZpZGVudGlhb", "jb25maWRlbnRpYW"];
        for text in &hidden[..4] {
            assert_eq!(tap.shows(text), key.is_none(), "{text} with key {key:?}");
        }
        assert_eq!(hidden.iter().any(|text| tap.shows(text)), key.is_none());
        // What the documentation says is not hidden.
        for text in ["digests.0", "packhorse.v1.tasks.digest.t", "planned"] {
            assert!(tap.shows(text), "{text}: the capture is none, of {} bytes", tap.bytes());
        }
    }
}

#[tokio::test]
async fn a_consumer_without_the_key_does_nothing_and_says_why() {
    let mut keyed = Keyed::new().await;
    keyed.cluster.world.tree("t", 300);
    let wanted = keyed.cluster.world.sha1sum(&["t"]);
    let reducer = keyed.reducer();
    keyed.start(PRODUCER, &["sha1", "t", "--job", "j", "--no-wait"]).wait().exits(0);
    keyed.key = None;
    let stranger = keyed.consumer();
    stranger.says("this role has no key; start it with --key-file FILE");
    // It gives tasks back to their owner, who tries again; it does not do any.
    keyed.key = Some("key");
    eventually("a refusal comes home", || keyed.count("j", "dead_letters").filter(|&count| count > 0));
    assert_eq!(keyed.count("j", "items_done"), Some(0));
    stranger.kill();
    let consumer = keyed.consumer();
    assert_same(&keyed.start(REDUCER, &["--job", "j"]).wait().exits(0).out, &wanted);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// Someone who may publish and consume, and has no key.
struct Stranger {
    transport: Arc<dyn Transport>,
    key: String,
}

impl Stranger {
    async fn new(url: &BrokerUrl) -> Self {
        let key = topology::task_key(Workload::Digest, &Class::from_name(b"t"), &OwnerId::from_name(b"main"));
        Self { transport: connect(url, None).await.expect("connected"), key }
    }

    /// The tasks that wait, as the broker has them. They go back.
    async fn sees(&self, count: usize) -> Vec<Message> {
        let (queue, _) = topology::tasks(Workload::Digest, &Class::from_name(b"t"));
        let wanted = Subscribe { queue, bindings: Vec::new(), prefetch: 10 };
        let mut tasks = self.transport.subscribe(wanted).await.expect("subscribed");
        let mut seen = Vec::new();
        while seen.len() < count {
            if let Incoming::Delivery(delivery) = tasks.next().await.expect("a task") {
                seen.push(delivery);
            }
        }
        seen.iter().map(|delivery| Message::clone(&delivery.message)).collect()
    }

    async fn says(&self, exchange: &str, key: &str, message: Message) {
        self.transport.publish(exchange, key, message).await.expect("published");
    }
}

/// The keys of someone who makes their own.
fn own_keys(world: &World, name: &str) -> shared::protocol::seal::Keyring {
    world.packhorse(["key", "new", name]).exits(0);
    std::fs::read_to_string(world.path(name)).expect("a file").parse().expect("keys")
}

// A subscription that is dropped gives back what it has whatever this test does meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn forged_and_tampered_messages_are_dead_letters_and_nobody_acts_on_them() {
    let keyed = Keyed::new().await;
    let world = &keyed.cluster.world;
    world.tree("t", 300);
    let wanted = world.sha1sum(&["t"]);
    let reducer = keyed.reducer();
    keyed.start(PRODUCER, &["sha1", "t", "--job", "j", "--no-wait"]).wait().exits(0);
    let stranger = Stranger::new(keyed.cluster.broker.url()).await;
    let theirs = own_keys(world, "theirs");
    let seen = stranger.sees(2).await;
    assert!(seen.iter().all(|task| task.text("store").is_none() && task.id.starts_with("j.")), "{seen:?}");

    let first = || seen[0].clone();
    let clear = |kind: &'static str, id: &str, body: &str| {
        let mut message = Message::new(kind, id, Payload::json(body.to_owned()), SystemTime::now());
        message.correlation = Some("j".into());
        message
    };
    let liar = Message { untrusted: None, ..theirs.seal(&stranger.key, clear(kind::TASK, "j.0", "{}")) };
    let broken = "the seal does not open: the message was forged, or changed on its way";
    let tasks = [
        (clear(kind::TASK, "j.0", "{}"), "the message is not sealed, and this role accepts only sealed messages"),
        (Message { id: "k.0".into(), correlation: Some("k".into()), ..first() }, broken),
        (Message { body: seen[1].body.clone(), ..first() }, broken),
        (liar.clone(), "which is missing in this role's --key-file"),
        (liar.with_text("key", first().text("key").expect("a key")), broken),
    ];
    let consumer = keyed.consumer();
    for (message, _) in &tasks {
        stranger.says(topology::TASKS, &stranger.key, message.clone()).await;
        // The same as a dead letter of a task that its owner waits for.
        stranger.says(topology::DEAD, &stranger.key, message.clone().with_text("reason", "forged dead letter")).await;
    }
    let outcomes = [
        clear(kind::OUTCOME, "j.0", "{}").with_text("status", "done"),
        Message { kind: kind::OUTCOME.into(), ..first() },
        Message { kind: kind::PLAN_END.into(), ..first() },
        clear(kind::PLAN_END, "j.plan_end", r#"{"job":"j","tasks":1}"#),
    ];
    for message in &outcomes {
        let is_plan = message.kind == kind::PLAN_END;
        let (exchange, key) = if is_plan { (topology::PLANS, "plan.main") } else { (topology::OUTCOMES, "main") };
        stranger.says(exchange, key, message.clone()).await;
    }
    let mut request = Message::json(kind::REQUEST, "q".to_owned(), &Request::Jobs, SystemTime::now());
    request.reply_to = Some("reply.stranger".into());
    for _ in 0..3 {
        stranger.says(topology::CONTROL, topology::ALL_OWNERS, request.clone()).await;
    }

    let reasons = dead(&stranger.transport, 2 * tasks.len() + outcomes.len()).await;
    for (_, wanted) in &tasks {
        assert!(reasons.keys().any(|reason| reason.contains(wanted)), "{wanted}: {reasons:#?}");
    }
    assert_eq!(reasons.values().sum::<usize>(), 14, "{reasons:#?}");
    assert_eq!(reasons.get("forged dead letter"), Some(&tasks.len()), "{reasons:#?}");
    assert_same(&keyed.start(REDUCER, &["--job", "j"]).wait().exits(0).out, &wanted);
    for count in ["dead_letters", "tasks_failed", "conflicts", "duplicates"] {
        assert_eq!(keyed.count("j", count), Some(0), "{count}");
    }
    stranger.transport.close().await;
    consumer.stop().exits(0);
    let said = reducer.stop().exits(0).err;
    assert_eq!(said.matches("A control message is ignored; later ones are ignored").count(), 1, "{said}");
}

#[test]
fn key_files_are_made_for_their_owner_alone_and_refused_where_others_can_read_them() {
    let world = World::new();
    let id = String::from_utf8(world.packhorse(["key", "new", "key"]).exits(0).out).expect("an id");
    let text = std::fs::read_to_string(world.path("key")).expect("a file");
    assert!(text.starts_with(id.trim()) && text.lines().count() == 1, "{id}");
    assert_eq!(mode(&world.path("key")), 0o600);
    let again = world.packhorse(["key", "new", "key"]).exits(2);
    assert!(again.err.contains("cannot make key: File exists"), "{}", again.err);
    assert_eq!(std::fs::read_to_string(world.path("key")).expect("a file"), text);

    let secret = text.trim().split(' ').nth(1).expect("a secret");
    world.file("half", &text[..text.len() - 9]);
    world.file("open", &text);
    world.file("none", "");
    for name in ["half", "none"] {
        std::fs::set_permissions(world.path(name), Permissions::from_mode(0o600)).expect("it is ours");
    }
    std::fs::set_permissions(world.path("open"), Permissions::from_mode(0o640)).expect("it is ours");
    for (file, words) in [
        ("open", "others can read the key file open (mode 0640): run chmod 600 open"),
        ("half", "the key file half: line 1 is no key"),
        ("none", "the key file none: it holds no key; make one with: packhorse key new FILE"),
        ("gone", "cannot read the key file gone: No such file"),
    ] {
        for args in [&["sha1", "t"][..], &["consumer", "--root", "t=t"], &["reducer"], &["jobs"]] {
            let args = [args, &["--broker", "amqp://127.0.0.1:1", "--key-file", file]].concat();
            let done = world.packhorse(&args).exits(2);
            assert!(done.err.contains(words) && !done.err.contains(&secret[..10]), "{args:?}: {}", done.err);
        }
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}
