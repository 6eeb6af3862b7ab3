//! What an operator needs: definitions with users of least rights, and signs of life.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use shared::id::OwnerId;
use shared::message::Message;
use shared::topology::{self, Binding, CONTROL, OUTCOMES, Queue, TASKS};
use shared::transport::{BrokerUrl, PublishError, Subscribe, Transport, TransportError, connect};
use shared::workload::{Workload, files::Root};

use crate::broker::{self, Broker};
use crate::cluster::Cluster;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, Process, REDUCER, World, assert_same, eventually};

const USERS: [&str; 5] = ["producer", "consumer", "reducer", "alice", "bob"];
/// The form of an id of a command of user bob.
const BOBS: &str = "bob-0123456789abcdef";
const ALICES: &str = "alice-0123456789abcdef";

#[test]
fn the_committed_definitions_are_what_the_code_prints() {
    let world = World::new();
    let printed = world.packhorse(["topology", "--definitions", "--root", "input"]).exits(0).out;
    let committed = include_bytes!("../../deploy/definitions.json");
    let hint = "cargo run -- topology --definitions --root input > deploy/definitions.json";
    assert!(printed == committed, "deploy/definitions.json is not what the code prints; run: {hint}");
    let definitions: Value = serde_json::from_slice(&printed).expect("JSON");
    let users = definitions["users"].as_array().expect("users");
    assert!(users.iter().all(|user| user["password_hash"] == ""), "{users:?}");
    world.packhorse(["topology", "--definitions", "--submitter", "reducer"]).exits(2);
    world.packhorse(["topology"]).exits(2);
}

#[test]
fn a_reducer_that_cannot_write_its_reports_says_so_at_the_start() {
    let world = World::new();
    let args = ["--output-dir", "/proc/self", "--broker", "amqp://127.0.0.1:1"];
    let done = world.command(REDUCER, args).done().exits(2);
    assert!(done.err.contains("cannot use --output-dir /proc/self: "), "{}", done.err);
}

/// A broker with the definitions, and nothing else.
struct Defined {
    world: World,
    broker: Broker,
    vhost: String,
}

impl Defined {
    async fn new() -> Self {
        let (world, broker) = (World::new(), broker::shared().await);
        let vhost = broker.vhost().to_owned();
        let args = ["topology", "--definitions", "--vhost", &vhost, "--root", "t"];
        let submitters = ["--submitter", "alice", "--submitter", "bob"];
        let mut command = world.command(PACKHORSE, args.into_iter().chain(submitters));
        for user in USERS {
            let file = world.file(format!("{user}.password"), format!("{user}'s\n"));
            command = command.env(&format!("PACKHORSE_PASSWORD_{}_FILE", user.to_uppercase()), file);
        }
        let definitions = command.done().exits(0).out;
        assert!(!String::from_utf8_lossy(&definitions).contains("'s"), "a password is shown");
        broker.import_definitions(definitions).await;
        Self { world, broker, vhost }
    }

    fn url(&self, user: &str) -> BrokerUrl {
        self.broker.url_as(&format!("{user}:{user}'s"), &self.vhost)
    }

    fn start(&self, user: &str, program: &str, args: &[&str]) -> Process {
        let url = self.url(user).to_string().replace(":***@", &format!(":{user}'s@"));
        self.world.command(program, args).env("PACKHORSE_BROKER", url).start()
    }

    async fn connect(&self, user: &str) -> Arc<dyn Transport> {
        connect(&self.url(user), None).await.unwrap_or_else(|error| panic!("{user}: {error}"))
    }

    /// That nobody may publish there as this user.
    async fn refuses_to_publish(&self, user: &str, exchange: &str, key: &str) {
        let transport = self.connect(user).await;
        let message = Message::new("test", "1".to_owned(), "{}".into(), SystemTime::now());
        let answer = transport.publish(exchange, key, message).await;
        let forbidden = matches!(answer, Err(PublishError::Transport(TransportError::Forbidden { .. })));
        assert!(forbidden, "{user} to {exchange}, {key}: {answer:?}");
        transport.close().await;
    }

    /// That nobody may consume from that queue, or bind it so, as this user.
    async fn refuses_to_take(&self, user: &str, queue: Queue, bindings: Vec<Binding>) {
        let transport = self.connect(user).await;
        let name = queue.name.clone();
        let answer = transport.subscribe(Subscribe { queue, bindings: bindings.clone(), prefetch: 1 }).await.err();
        let forbidden = matches!(answer, Some(TransportError::Forbidden { .. }));
        assert!(forbidden, "{user} takes {name}, {bindings:?}: {answer:?}");
        transport.close().await;
    }
}

#[tokio::test]
async fn each_user_can_do_its_work_and_nothing_else() {
    let defined = Defined::new().await;
    defined.world.tree("t", 700);
    let wanted = defined.world.sha1sum(&["t"]);
    let reducer = defined.start("reducer", REDUCER, &["--heartbeat", "1"]);
    let consumer = defined.start("consumer", CONSUMER, &["--root", "t=t", "--heartbeat", "1"]);
    defined.start("producer", PRODUCER, &["sha1", "t", "--job", "whole"]).wait().exits(0);
    assert_same(&defined.start("reducer", REDUCER, &["--job", "whole"]).wait().exits(0).out, &wanted);
    for user in ["producer", "reducer"] {
        let jobs = defined.start(user, PACKHORSE, &["jobs", "--json"]).wait().exits(0).json();
        assert_eq!((jobs.len(), &jobs[0]["job"]), (1, &"whole".into()));
    }
    for user in ["alice", "bob"] {
        assert_same(&defined.start(user, PACKHORSE, &["sha1", "t"]).wait().exits(0).out, &wanted);
    }
    defined.start("producer", PRODUCER, &["words", "t", "--job", "words"]).wait().exits(0);
    defined.start("alice", PACKHORSE, &["words", "t"]).wait().exits(0);
    for role in [reducer, consumer] {
        role.stop().exits(0);
    }

    let main = OwnerId::from_name(b"main");
    let service = || topology::service_owner(&main).0;
    let (tasks, _) = topology::tasks(Workload::Digest, &Root::class_of("t"));
    for (user, exchange, key) in [
        ("producer", TASKS, "digest.t.main"),
        ("producer", OUTCOMES, BOBS),
        ("producer", CONTROL, "consumers"),
        ("consumer", TASKS, "digest.t.main"),
        ("consumer", CONTROL, "owner.main"),
        ("reducer", TASKS, &format!("digest.t.{BOBS}")),
        ("reducer", OUTCOMES, "main"),
        ("alice", TASKS, &format!("digest.t.{BOBS}")),
        ("alice", TASKS, "digest.t.main"),
        ("alice", OUTCOMES, BOBS),
        ("alice", "amq.topic", "any"),
    ] {
        defined.refuses_to_publish(user, exchange, key).await;
    }
    for user in ["producer", "consumer", "alice"] {
        defined.refuses_to_take(user, service(), Vec::new()).await;
    }
    defined.refuses_to_take("producer", tasks.clone(), Vec::new()).await;
    defined.refuses_to_take("reducer", tasks, Vec::new()).await;
    let (own, _) = topology::command_owner(&OwnerId::from_name(ALICES.as_bytes()));
    for key in [BOBS, "main", "#", "*"] {
        let binding = Binding { queue: own.name.clone(), exchange: OUTCOMES.to_owned(), key: key.to_owned() };
        defined.refuses_to_take("alice", own.clone(), vec![binding]).await;
    }
    let (bobs, _) = topology::command_owner(&OwnerId::from_name(BOBS.as_bytes()));
    defined.refuses_to_take("alice", bobs, Vec::new()).await;
}

/// Waits until `packhorse health` ends so for a role, and gives what it says.
fn is_well(world: &World, role: &str, code: i32) -> String {
    eventually(&format!("{role} has health {code}"), || {
        let done = world.packhorse(["health", "--file", &format!("{role}.health")]);
        (done.code == code).then(|| String::from_utf8_lossy(&done.out).into_owned())
    })
}

#[tokio::test]
async fn a_role_that_hangs_or_is_cut_off_or_gone_is_not_healthy() {
    let cluster = Cluster::around(broker::own().await);
    cluster.world.tree("t", 1);
    let start = |role: &str, program: &str, args: &[&str]| {
        let file = cluster.world.path(format!("{role}.health"));
        let command = cluster.world.command(program, args.iter().chain(&["--heartbeat", "1"]));
        command.env("PACKHORSE_BROKER", cluster.url()).env("PACKHORSE_HEALTH_FILE", file).start()
    };
    cluster.world.packhorse(["health", "--file", "consumer.health"]).exits(1);
    cluster.world.packhorse(["health"]).exits(2);
    let roles =
        [("consumer", start("consumer", CONSUMER, &["--root", "t=t"])), ("reducer", start("reducer", REDUCER, &[]))];
    for (role, _) in &roles {
        assert!(is_well(&cluster.world, role, 0).starts_with(&format!("healthy: {role}, process ")));
    }
    for (_, process) in &roles {
        process.signal("STOP");
    }
    for (role, _) in &roles {
        assert!(is_well(&cluster.world, role, 1).contains("it hangs, or has no connection"));
    }
    for (role, process) in &roles {
        process.signal("CONT");
        is_well(&cluster.world, role, 0);
    }
    cluster.broker.kill().await;
    for (role, _) in &roles {
        is_well(&cluster.world, role, 1);
    }
    cluster.broker.start().await;
    for (role, _) in &roles {
        is_well(&cluster.world, role, 0);
    }
    for (role, process) in roles {
        process.kill();
        assert!(is_well(&cluster.world, role, 1).contains("is gone"));
    }
}
