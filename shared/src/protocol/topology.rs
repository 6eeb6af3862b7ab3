//! Every exchange, queue and binding. Their names are spelled only here.
//!
//! This is pure data; transports turn it into declarations. Names carry the version of the
//! topology, because a queue's arguments cannot be changed once it exists.

mod arguments;

pub use arguments::Argument;

use std::time::Duration;

use crate::protocol::id::{Class, ConsumerId, JobId, OwnerId};
use crate::protocol::limits::{
    DELIVERY_LIMIT, LIGHT_QUEUE_EXPIRES, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, TRACE_MESSAGES_MAX,
};
use crate::protocol::workload::{TaskQueue, Workload};

/// Exchange for tasks; routing key: [`task_key`].
pub const TASKS: &str = "packhorse.v1.tasks";
/// Exchange for outcomes, parts and leases; routing key: the owner's id.
pub const OUTCOMES: &str = "packhorse.v1.outcomes";
/// Exchange for plans and plan ends; routing key: [`plan_key`]. It is another one than [`OUTCOMES`],
/// so that a consumer's user has no right to send plans, and a producer's none to send outcomes.
pub const PLANS: &str = "packhorse.v1.plans";
/// Exchange for messages that a consumer refused or the broker gave up; routing key: the original
/// one.
pub const DEAD: &str = "packhorse.v1.dead";
/// Exchange for messages that no queue was bound for.
pub const UNROUTED: &str = "packhorse.v1.unrouted";
/// Queue that keeps dead messages as a trace. Its name differs from its exchange's: permissions go
/// by name, and a user that may bind its own queue to the exchange must not read this queue.
pub const DEAD_QUEUE: &str = "packhorse.v1.dead.trace";
/// Queue that keeps unrouted messages as a trace.
pub const UNROUTED_QUEUE: &str = "packhorse.v1.unrouted.trace";
/// Exchange for requests, replies and heartbeats.
pub const CONTROL: &str = "packhorse.v1.control";

/// Routing key on [`CONTROL`] that reaches every owner.
pub const ALL_OWNERS: &str = "owners";
/// Routing key on [`CONTROL`] of consumers' heartbeats.
pub const PRESENCE: &str = "presence";
/// Routing key on [`CONTROL`] that asks every consumer for a heartbeat at once.
pub const ALL_CONSUMERS: &str = "consumers";

/// Prefix of the names of light queues. They are told apart from other task queues by name, because
/// the broker's rights go by names: roles may make and delete light queues, and no others.
pub const LIGHT_QUEUES: &str = "packhorse.v1.light.";
/// Prefix of the names of owners' queues.
pub const OWNER_QUEUES: &str = "packhorse.v1.owner.";
/// Prefix of the names of the queues in which owners receive requests.
pub const CONTROL_QUEUES: &str = "packhorse.v1.control.";
/// Prefix of the names of the queues in which consumers receive requests.
pub const CONSUMER_QUEUES: &str = "packhorse.v1.consumer.";
/// Prefix of the names of reply queues.
pub const REPLY_QUEUES: &str = "packhorse.v1.replies.";

/// A topic exchange. All are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub name: String,
    /// Exchange that gets the messages that no queue is bound for.
    pub alternate: Option<String>,
}

/// Behaviour of a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The broker nacks the publish, and the publisher keeps the message.
    Reject,
    /// The broker drops the oldest message: for trace queues only.
    DropHead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// Durable and replicated; the default.
    Quorum,
    /// Durable, on one node, with an exact length limit.
    Classic,
    /// Deleted with the connection that declared it.
    Exclusive,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub name: String,
    pub kind: QueueKind,
    /// Ready messages, at most.
    pub messages_max: Option<u32>,
    /// Bytes of ready messages, at most.
    pub bytes_max: Option<u64>,
    pub overflow: Overflow,
    /// Exchange that gets refused and given-up messages. They keep their routing key.
    pub dead_letter: Option<String>,
    /// Deliveries before the broker gives a message up (quorum queues only).
    pub delivery_limit: Option<u32>,
    /// Whether one consumer gets all messages while the others stand by.
    pub single_active_consumer: bool,
    /// How long the queue may have no consumer and not be declared before the broker deletes it;
    /// `None`: for ever.
    pub expires: Option<Duration>,
}

/// Sends messages of an exchange to a queue, by routing key. A key is words separated by dots; `*`
/// matches one word, `#` any number of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub queue: String,
    pub exchange: String,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// Declared first.
    pub exchanges: Vec<Exchange>,
    pub queues: Vec<Queue>,
    /// Declared last.
    pub bindings: Vec<Binding>,
}

impl Topology {
    pub fn extend(&mut self, other: Self) {
        self.exchanges.extend(other.exchanges);
        self.queues.extend(other.queues);
        self.bindings.extend(other.bindings);
    }
}

/// What every role declares: the exchanges and the two trace queues.
pub fn shared() -> Topology {
    let exchange = |name: &str, alternate: Option<&str>| Exchange {
        name: name.to_owned(),
        alternate: alternate.map(str::to_owned),
    };
    let trace = |name: &str| Queue {
        name: name.to_owned(),
        kind: QueueKind::Classic,
        messages_max: Some(TRACE_MESSAGES_MAX),
        bytes_max: Some(QUEUE_BYTES_MAX / 16),
        overflow: Overflow::DropHead,
        dead_letter: None,
        delivery_limit: None,
        single_active_consumer: false,
        expires: None,
    };
    Topology {
        exchanges: vec![
            exchange(UNROUTED, None),
            exchange(TASKS, Some(UNROUTED)),
            exchange(OUTCOMES, Some(UNROUTED)),
            exchange(PLANS, Some(UNROUTED)),
            exchange(DEAD, None),
            exchange(CONTROL, None),
        ],
        // `dead` always has a queue, so that a dead letter without an owner leaves a trace.
        queues: vec![trace(DEAD_QUEUE), trace(UNROUTED_QUEUE)],
        bindings: vec![binding(DEAD_QUEUE, DEAD, "#"), binding(UNROUTED_QUEUE, UNROUTED, "#")],
    }
}

/// The task queue of one workload and class, as a consumer declares it: it takes the tasks of all
/// owners.
pub fn tasks(workload: Workload, class: &Class) -> (Queue, Binding) {
    tasks_in(workload.descriptor().queue, workload, class)
}

/// The same for a queue of this kind.
pub fn tasks_in(kind: TaskQueue, workload: Workload, class: &Class) -> (Queue, Binding) {
    let name = match kind {
        TaskQueue::Durable | TaskQueue::Exact(_) => format!("{TASKS}.{workload}.{class}"),
        TaskQueue::Light => format!("{LIGHT_QUEUES}{workload}.{class}"),
    };
    let binding = binding(&name, TASKS, &format!("{workload}.{class}.*"));
    let queue = match kind {
        TaskQueue::Exact(messages) => Queue {
            kind: QueueKind::Classic,
            messages_max: Some(messages),
            bytes_max: None,
            delivery_limit: None,
            ..durable(name)
        },
        TaskQueue::Durable => durable(name),
        TaskQueue::Light => Queue {
            kind: QueueKind::Classic,
            delivery_limit: None,
            expires: Some(LIGHT_QUEUE_EXPIRES),
            ..durable(name)
        },
    };
    (queue, binding)
}

/// The task queue of one workload and class, as an owner declares it.
pub fn tasks_of(workload: Workload, class: &Class, owner: &OwnerId) -> (Queue, Binding) {
    tasks_of_in(workload.descriptor().queue, workload, class, owner)
}

/// The same for a queue of this kind. An owner binds a light queue, which it makes itself, with the
/// key of its own tasks: its user has no right to bind others'.
pub fn tasks_of_in(kind: TaskQueue, workload: Workload, class: &Class, owner: &OwnerId) -> (Queue, Binding) {
    let (queue, all) = tasks_in(kind, workload, class);
    let own = if kind.is_light() { binding(&queue.name, TASKS, &task_key(workload, class, owner)) } else { all };
    (queue, own)
}

fn durable(name: String) -> Queue {
    Queue {
        name,
        kind: QueueKind::Quorum,
        messages_max: Some(QUEUE_MESSAGES_MAX),
        bytes_max: Some(QUEUE_BYTES_MAX),
        overflow: Overflow::Reject,
        dead_letter: Some(DEAD.to_owned()),
        delivery_limit: Some(DELIVERY_LIMIT),
        single_active_consumer: false,
        expires: None,
    }
}

pub fn task_key(workload: Workload, class: &Class, owner: &OwnerId) -> String {
    format!("{workload}.{class}.{owner}")
}

/// The queue of a reducer service: it outlives the owner's process.
pub fn service_owner(owner: &OwnerId) -> (Queue, Vec<Binding>) {
    let queue = Queue { single_active_consumer: true, ..durable(owner_queue_name(owner)) };
    let mut bindings = owner_bindings(owner);
    bindings.push(binding(&queue.name, PLANS, &plan_key(owner)));
    (queue, bindings)
}

/// The queue of an owner inside one command: it is deleted with its connection. The command plans
/// by itself, so the queue takes no plans.
pub fn command_owner(owner: &OwnerId) -> (Queue, Vec<Binding>) {
    (exclusive(owner_queue_name(owner)), owner_bindings(owner))
}

fn owner_queue_name(owner: &OwnerId) -> String {
    format!("{OWNER_QUEUES}{owner}")
}

/// Outcomes are bound by the owner's id, dead tasks by the last word of their key, which is the
/// owner's id too.
fn owner_bindings(owner: &OwnerId) -> Vec<Binding> {
    let name = owner_queue_name(owner);
    vec![binding(&name, OUTCOMES, owner.as_str()), binding(&name, DEAD, &format!("*.*.{owner}"))]
}

pub fn plan_key(owner: &OwnerId) -> String {
    format!("{PLAN}{owner}")
}

/// The exchange that a message in an owner's queue came over: [`OUTCOMES`], [`PLANS`] or [`DEAD`].
/// The keys that the queue is bound with have one, two and three words, so a key tells the exchange.
pub fn exchange_of(key: &str, owner: &OwnerId) -> &'static str {
    if key == owner.as_str() {
        OUTCOMES
    } else if key.strip_prefix(PLAN) == Some(owner.as_str()) {
        PLANS
    } else {
        DEAD
    }
}

const PLAN: &str = "plan.";

/// The queue in which an owner receives requests and heartbeats.
pub fn owner_control(owner: &OwnerId) -> (Queue, Vec<Binding>) {
    let name = format!("{CONTROL_QUEUES}{owner}");
    let bindings = [&owner_request_key(owner), ALL_OWNERS, PRESENCE].map(|key| binding(&name, CONTROL, key));
    (exclusive(name), bindings.into())
}

pub fn owner_request_key(owner: &OwnerId) -> String {
    format!("owner.{owner}")
}

/// The queue in which a consumer receives requests for a heartbeat.
pub fn consumer_control(consumer: &ConsumerId) -> (Queue, Vec<Binding>) {
    let name = format!("{CONSUMER_QUEUES}{consumer}");
    let bindings = vec![binding(&name, CONTROL, ALL_CONSUMERS)];
    (exclusive(name), bindings)
}

/// The queue in which a command receives replies. `asker` is unique to the process.
pub fn replies(asker: &JobId) -> (Queue, Vec<Binding>) {
    let name = format!("{REPLY_QUEUES}{asker}");
    let bindings = vec![binding(&name, CONTROL, &reply_key(asker))];
    (exclusive(name), bindings)
}

pub fn reply_key(asker: &JobId) -> String {
    format!("{REPLY}{asker}")
}

/// Whether `key` is a reply's key. An owner checks this, so that a request cannot make it publish
/// under any other key.
pub fn is_reply_key(key: &str) -> bool {
    key.strip_prefix(REPLY).is_some_and(|asker| asker.parse::<JobId>().is_ok())
}

const REPLY: &str = "reply.";

/// One queue for each form of name, under an owner, a class and so on that are never used:
/// `packhorse doctor` shows with them what the broker's policies do to such names. The durable ones
/// always have the same names, because the broker keeps them.
pub fn lookalikes() -> Vec<Queue> {
    let (class, owner) = (Class::from_name(LOOKALIKE.as_bytes()), OwnerId::from_name(LOOKALIKE.as_bytes()));
    let command = OwnerId::from_name(format!("{LOOKALIKE}-0000000000000000").as_bytes());
    let mut queues: Vec<Queue> = Workload::ALL.map(|workload| tasks(workload, &class).0).into();
    queues.extend([
        tasks_in(TaskQueue::Light, Workload::Steps, &class).0,
        service_owner(&owner).0,
        command_owner(&command).0,
        owner_control(&owner).0,
        consumer_control(&ConsumerId::from_name(LOOKALIKE.as_bytes())).0,
        replies(&JobId::from_name(LOOKALIKE.as_bytes())).0,
    ]);
    queues
}

/// Name of the exchange for one run of `packhorse doctor`.
pub fn probe(asker: &JobId) -> String {
    format!("packhorse.v1.doctor.{asker}")
}

/// A name that no reducer or root is likely to have.
const LOOKALIKE: &str = "doctor0000000000";

fn exclusive(name: String) -> Queue {
    Queue { kind: QueueKind::Exclusive, dead_letter: None, delivery_limit: None, ..durable(name) }
}

fn binding(queue: &str, exchange: &str, key: &str) -> Binding {
    Binding { queue: queue.to_owned(), exchange: exchange.to_owned(), key: key.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_amqp() {
        let long = "x".repeat(64);
        let (class, owner) = (Class::from_name(long.as_bytes()), OwnerId::from_name(long.as_bytes()));
        let (queue, binding) = tasks(Workload::Digest, &class);
        assert!(queue.name.len() <= 255 && binding.key.len() <= 255);
        assert!(task_key(Workload::Digest, &class, &owner).len() <= 255);
        assert!(service_owner(&owner).0.name.len() <= 255);
    }

    #[test]
    fn the_key_of_a_message_tells_an_owner_the_exchange() {
        let owner = OwnerId::from_name(b"main");
        let (_, bindings) = service_owner(&owner);
        assert_eq!(bindings.len(), 3);
        for binding in bindings {
            let key = binding.key.replace('*', "x");
            assert_eq!(exchange_of(&key, &owner), binding.exchange, "{key}");
        }
        assert_eq!(exchange_of(&task_key(Workload::Steps, &Class::from_name(b"any"), &owner), &owner), DEAD);
        let (_, bindings) = command_owner(&owner);
        assert!(bindings.iter().all(|binding| binding.exchange != PLANS), "a command plans by itself");
    }

    #[test]
    fn an_owner_binds_a_light_queue_to_its_own_tasks_alone() {
        let (class, owner) = (Class::from_name(b"any"), OwnerId::from_name(b"main"));
        let (queue, all) = tasks_in(TaskQueue::Light, Workload::Steps, &class);
        assert_eq!((&*queue.name, &*all.key), ("packhorse.v1.light.steps.any", "steps.any.*"));
        assert_eq!((queue.kind, queue.expires), (QueueKind::Classic, Some(LIGHT_QUEUE_EXPIRES)));
        let bounds = (queue.messages_max, queue.bytes_max, queue.overflow, queue.dead_letter.as_deref());
        assert_eq!(bounds, (Some(QUEUE_MESSAGES_MAX), Some(QUEUE_BYTES_MAX), Overflow::Reject, Some(DEAD)));
        let (same, own) = tasks_of_in(TaskQueue::Light, Workload::Steps, &class, &owner);
        assert_eq!((same, &*own.key), (queue, "steps.any.main"));
        assert_eq!(tasks_of(Workload::Digest, &class, &owner), tasks(Workload::Digest, &class));
    }

    #[test]
    fn every_length_limit_states_its_overflow_and_no_work_is_dropped() {
        let class = Class::from_name(b"any");
        let owner = OwnerId::from_name(b"main");
        let mut queues = vec![service_owner(&owner).0, command_owner(&owner).0, owner_control(&owner).0];
        queues.extend(Workload::ALL.map(|workload| tasks(workload, &class).0));
        queues.push(tasks_in(TaskQueue::Light, Workload::Steps, &class).0);
        for queue in queues {
            assert_eq!(queue.overflow, Overflow::Reject, "{}", queue.name);
            assert!(queue.messages_max.is_some(), "{}", queue.name);
        }
    }
}
