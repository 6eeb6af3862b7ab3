//! What an operator needs: definitions with users of least rights.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use shared::protocol::id::OwnerId;
use shared::protocol::message::Message;
use shared::protocol::payload::Payload;
use shared::protocol::topology::{self, Binding, CONTROL, DEAD, OUTCOMES, PLANS, Queue, TASKS};
use shared::protocol::workload::{TaskQueue, Workload, files::Root, steps};
use shared::transport::{BrokerUrl, PublishError, Subscribe, Transport, TransportError, connect};

use crate::broker::{self, Broker};
use crate::doctor;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, Process, REDUCER, World, assert_same};

const USERS: [&str; 5] = ["producer", "consumer", "reducer", "alice", "bob"];
/// The form of an id of a command of user bob.
const BOBS: &str = "bob-0123456789abcdef";
const ALICES: &str = "alice-0123456789abcdef";
const ALICES_PLAN: &str = "plan.alice-0123456789abcdef";
const ALICES_TASK: &str = "digest.t.alice-0123456789abcdef";
const BOBS_TASK: &str = "digest.t.bob-0123456789abcdef";
const ALICES_REQUEST: &str = "owner.alice-0123456789abcdef";
/// The key of a dead task of the service.
const DEAD_KEY: &str = "digest.t.main";

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
        let submitters = ["--submitter", "alice", "--submitter", "bob", "--submitter", "sub-mit"];
        let mut command = world.command(PACKHORSE, args.into_iter().chain(submitters));
        for user in USERS.into_iter().chain(["sub-mit"]) {
            let file = world.file(format!("{user}.password"), format!("{user}'s\n"));
            let name = user.to_uppercase().replace('-', "_");
            command = command.env(&format!("PACKHORSE_PASSWORD_{name}_FILE"), file);
        }
        let definitions = command.done().exits(0).out;
        assert!(!String::from_utf8_lossy(&definitions).contains("'s"), "a password is shown");
        broker.import_definitions(&definitions).await;
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
async fn each_user_can_do_its_work() {
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
}

/// A claim to the name that the broker refused, or that did not open, would leave both at work without a word.
#[tokio::test]
async fn two_reducers_of_one_name_hear_each_other_with_their_users_rights_and_keys() {
    let defined = Defined::new().await;
    defined.world.packhorse(["key", "new", "key"]).exits(0);
    // The broker misses a stopped one soon.
    let url = defined.url("reducer").to_string().replace(":***@", ":reducer's@") + "?heartbeat=1";
    let start = |state: &str| {
        let run = defined.world.command(REDUCER, ["--heartbeat", "1", "--key-file", "key", "--state", state]);
        let reducer = run.env("PACKHORSE_BROKER", &url).start();
        reducer.says("The reducer is ready.");
        reducer
    };
    let first = start("first");
    first.signal("STOP");
    let second = start("second");
    let ids = (first.id(), second.id());
    first.signal("CONT");
    let done = first.wait().exits(3);
    assert!(done.err.contains(&format!("another reducer main answers: process {} on ", ids.1)), "{}", done.err);
    assert!(done.err.contains("with another store"), "{}", done.err);
    second.says(&format!("Another reducer main answers: process {} on ", ids.0));
    second.stop().exits(0);
}

/// Rights are by the user's name, which begins the names of queues.
#[tokio::test]
async fn a_users_name_means_the_same_however_a_url_spells_it() {
    let defined = Defined::new().await;
    defined.world.tree("t", 3);
    let wanted = defined.world.sha1sum(&["t"]);
    let reducer = defined.start("reducer", REDUCER, &["--heartbeat", "1"]);
    let consumer = defined.start("consumer", CONSUMER, &["--root", "t=t", "--heartbeat", "1"]);
    for role in [(&reducer, "reducer"), (&consumer, "consumer")] {
        role.0.says(&format!("The {} is ready.", role.1));
    }
    let url = defined.url("sub-mit").to_string().replace(":***@", ":sub-mit's@");
    for spelt in ["sub-mit", "sub%2Dmit", "%73ub%2dmit"] {
        let run = |args: &[&str]| {
            let run = defined.world.command(PACKHORSE, args);
            run.env("PACKHORSE_BROKER", url.replace("//sub-mit", &format!("//{spelt}"))).done()
        };
        assert_same(&run(&["sha1", "t"]).exits(0).out, &wanted);
        let found = run(&["doctor", "--role", "submitter", "--root", "t=t", "--json"]);
        assert_eq!(doctor::troubles(&found), [""; 0], "{spelt}");
        assert!(String::from_utf8_lossy(&found.out).contains(r#"user \"sub-mit\" may connect"#), "{spelt}");
    }
}

#[tokio::test]
async fn each_user_is_found_fit_for_its_work_and_for_no_other() {
    let defined = Defined::new().await;
    defined.world.tree("t", 1);
    let reducer = defined.start("reducer", REDUCER, &["--heartbeat", "1"]);
    let consumer = defined.start("consumer", CONSUMER, &["--root", "t=t", "--heartbeat", "1"]);
    reducer.says("The reducer is ready.");
    consumer.says("The consumer is ready.");
    let look = |user: &str, role: &str| {
        let args = ["doctor", "--role", role, "--root", "t=t", "--json"];
        doctor::troubles(&defined.start(user, PACKHORSE, &args).wait())
    };
    for (user, role) in USERS.into_iter().zip(["producer", "consumer", "reducer", "submitter", "submitter"]) {
        assert_eq!(look(user, role), [""; 0], "{user}");
    }
    for (user, role) in [("consumer", "producer"), ("producer", "consumer"), ("alice", "reducer")] {
        assert_eq!(look(user, role), [format!("permissions ({role})")], "{user}");
    }
}
/// Exchanges, each with routing keys.
type Keys = &'static [(&'static str, &'static [&'static str])];

/// What each user may publish: an exchange and the routing keys there. Nothing else.
const MAY_PUBLISH: [(&str, Keys); 5] = [
    ("producer", &[(PLANS, &["plan.main"]), (CONTROL, &["owner.main", "owners"])]),
    ("consumer", &[(OUTCOMES, &["main", ALICES, BOBS]), (DEAD, &[DEAD_KEY, "refused"]), (CONTROL, &["presence"])]),
    (
        "reducer",
        &[
            (TASKS, &["digest.t.main"]),
            (DEAD, &[DEAD_KEY, "refused"]),
            (CONTROL, &["owner.main", "owners", "consumers", "reply.x"]),
        ],
    ),
    ("alice", &[(TASKS, &[ALICES_TASK]), (DEAD, &["refused"]), (CONTROL, &["consumers", "reply.x"])]),
    ("bob", &[(TASKS, &[BOBS_TASK]), (DEAD, &["refused"]), (CONTROL, &["consumers", "reply.x"])]),
];

#[tokio::test]
async fn each_user_may_publish_what_its_work_needs_and_nothing_else() {
    let defined = Defined::new().await;
    let (queue, _) = topology::tasks(Workload::Digest, &Root::class_of("t"));
    // Past all exchanges, by the name of a queue.
    let by_name = [queue.name.as_str()];
    let all: [(&str, &[&str]); 8] = [
        ("", &by_name),
        (TASKS, &["digest.t.main", ALICES_TASK, BOBS_TASK]),
        (OUTCOMES, &["main", ALICES, BOBS]),
        (PLANS, &["plan.main", "plan.other", ALICES_PLAN]),
        (DEAD, &[DEAD_KEY, "refused"]),
        (CONTROL, &["owner.main", ALICES_REQUEST, "owners", "consumers", "presence", "reply.x"]),
        (topology::UNROUTED, &["any"]),
        ("amq.topic", &["any"]),
    ];
    for (user, may) in MAY_PUBLISH {
        let transport = defined.connect(user).await;
        for (exchange, key) in all.iter().flat_map(|(exchange, keys)| keys.iter().map(move |key| (*exchange, *key))) {
            let message = Message::new("test", "1".to_owned(), Payload::json("{}"), SystemTime::now());
            let answer = transport.publish(exchange, key, message).await;
            if may.iter().any(|(at, keys)| *at == exchange && keys.contains(&key)) {
                assert_eq!(answer, Ok(()), "{user} to {exchange}, {key}");
            } else {
                let forbidden = matches!(answer, Err(PublishError::Transport(TransportError::Forbidden { .. })));
                assert!(forbidden, "{user} to {exchange}, {key}: {answer:?}");
            }
        }
        transport.close().await;
    }
}

/// What anybody could try who speaks AMQP, each on a channel of its own: prints what the broker lets pass.
const VANDAL: &str = r#"
import pika, sys
url, tasks, owner, exchange = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(url))
tries = {
    "delete tasks": lambda channel: channel.queue_delete(tasks),
    "delete owner": lambda channel: channel.queue_delete(owner),
    "delete exchange": lambda channel: channel.exchange_delete(exchange),
    "remake tasks": lambda channel: channel.queue_declare(tasks, durable=True, arguments={"x-max-length": 1}),
    "make light": lambda channel: channel.queue_declare("packhorse.v1.light.steps.mine", durable=True),
    "make": lambda channel: channel.queue_declare("packhorse.v1.tasks.digest.mine", durable=True),
    "unbind": lambda channel: channel.queue_unbind(tasks, exchange, "digest.t.*"),
    "purge tasks": lambda channel: channel.queue_purge(tasks),
    "purge owner": lambda channel: channel.queue_purge(owner),
}
for name, attempt in tries.items():
    try:
        attempt(connection.channel())
        print(name)
    except pika.exceptions.ChannelClosedByBroker as refusal:
        assert refusal.reply_code == 403, (name, refusal)
"#;

/// Who may read a queue may empty it: the broker has no right of its own for that. The owner sends again what
/// is gone.
#[tokio::test]
async fn nobody_takes_away_what_others_need_but_what_one_may_read() {
    let defined = Defined::new().await;
    defined.world.file("vandal.py", VANDAL);
    let (tasks, _) = topology::tasks(Workload::Digest, &Root::class_of("t"));
    let (owner, _) = topology::service_owner(&OwnerId::from_name(b"main"));
    let may = ["", "make light\npurge tasks\n", "make light\npurge owner\n", "make light\n", "make light\n"];
    for (user, may) in USERS.into_iter().zip(may) {
        let url = defined.url(user).to_string().replace(":***@", &format!(":{user}%27s@"));
        let args = ["vandal.py", &url, &tasks.name, &owner.name, TASKS];
        let done = defined.world.command("/usr/bin/python3", args).done().exits(0);
        assert_eq!(String::from_utf8_lossy(&done.out), may, "{user}");
    }
}

/// Every queue that there can be, by a name for it, and how its user binds it.
fn queues() -> Vec<(&'static str, Queue, Vec<Binding>)> {
    let id = |name: &str| OwnerId::from_name(name.as_bytes());
    let class = Root::class_of("t");
    let of = |name, (queue, bindings)| (name, queue, bindings);
    let one = |name, (queue, binding)| (name, queue, vec![binding]);
    let mut queues = vec![
        of("owner main", topology::service_owner(&id("main"))),
        of("owner other", topology::service_owner(&id("other"))),
        of("owner alice", topology::command_owner(&id(ALICES))),
        of("owner bob", topology::command_owner(&id(BOBS))),
        of("requests main", topology::owner_control(&id("main"))),
        of("requests other", topology::owner_control(&id("other"))),
        of("requests alice", topology::owner_control(&id(ALICES))),
        of("requests bob", topology::owner_control(&id(BOBS))),
        of("calls", topology::consumer_control(&"c".parse().expect("an id"))),
        of("replies", topology::replies(&"x".parse().expect("an id"))),
        one("tasks", topology::tasks(Workload::Digest, &class)),
        one("words", topology::tasks(Workload::Words, &class)),
        one("steps", topology::tasks(Workload::Steps, &steps::class())),
        one("light", topology::tasks_in(TaskQueue::Light, Workload::Steps, &steps::class())),
        one("undefined tasks", topology::tasks(Workload::Digest, &Root::class_of("undefined"))),
    ];
    for (name, queue) in ["dead", "unrouted"].into_iter().zip(topology::shared().queues) {
        queues.push((name, queue, Vec::new()));
    }
    queues
}

#[tokio::test]
async fn each_user_may_read_what_its_work_needs_and_nothing_else() {
    let defined = Defined::new().await;
    let may: [(&str, &[&str]); 5] = [
        ("producer", &["replies"]),
        ("consumer", &["calls", "tasks", "words", "steps", "light"]),
        ("reducer", &["owner main", "requests main", "replies", "light"]),
        ("alice", &["owner alice", "requests alice", "light"]),
        ("bob", &["owner bob", "requests bob", "light"]),
    ];
    for (user, may) in may {
        let transport = defined.connect(user).await;
        for (name, queue, bindings) in queues() {
            let answer = transport.subscribe(Subscribe { queue, bindings, prefetch: 1 }).await.err();
            if may.contains(&name) {
                assert_eq!(answer, None, "{user} takes {name}");
            } else {
                // What nobody has defined is not there, and this user may not make it.
                let forbidden = matches!(answer, Some(TransportError::Forbidden { .. }));
                assert!(forbidden, "{user} takes {name}: {answer:?}");
            }
        }
        transport.close().await;
    }
}

/// A queue of one's own, bound to what is others'.
#[tokio::test]
async fn nobody_gets_what_is_for_others_by_a_binding() {
    let defined = Defined::new().await;
    let (producers, _) = topology::replies(&"x".parse().expect("an id"));
    let (consumers, _) = topology::consumer_control(&"c".parse().expect("an id"));
    let (alices, _) = topology::command_owner(&OwnerId::from_name(ALICES.as_bytes()));
    let foreign: [(&str, &Queue, Keys); 4] = [
        ("producer", &producers, &[(CONTROL, &["#", "owner.main", "owners", "presence"]), (TASKS, &["#"])]),
        (
            "consumer",
            &consumers,
            &[
                (CONTROL, &["#", "reply.x", "presence", "owners"]),
                (OUTCOMES, &["#", "main"]),
                (PLANS, &["#", "plan.main"]),
            ],
        ),
        (
            "reducer",
            &producers,
            &[
                (CONTROL, &["#", ALICES_REQUEST]),
                (TASKS, &["#", "steps.any.*", ALICES_TASK]),
                (OUTCOMES, &["#", ALICES]),
                (PLANS, &["#", "plan.main"]),
            ],
        ),
        (
            "alice",
            &alices,
            &[
                (OUTCOMES, &[BOBS, "main", "#", "*"]),
                (PLANS, &["#", ALICES_PLAN]),
                (DEAD, &["#", DEAD_KEY, "*.*.main"]),
                (TASKS, &["#", "steps.any.*", BOBS_TASK]),
            ],
        ),
    ];
    for (user, queue, bindings) in foreign {
        for (exchange, key) in
            bindings.iter().flat_map(|(exchange, keys)| keys.iter().map(move |key| (*exchange, *key)))
        {
            let binding = Binding { queue: queue.name.clone(), exchange: exchange.to_owned(), key: key.to_owned() };
            defined.refuses_to_take(user, queue.clone(), vec![binding]).await;
        }
    }
}
