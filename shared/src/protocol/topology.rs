//! Every exchange, queue and binding: the only place that spells their names.
//!
//! Pure data: transports turn it into declarations. Names carry the version of the topology,
//! because a queue's arguments cannot be changed once it exists.

mod arguments;

pub use arguments::Argument;

use crate::protocol::id::{Class, ConsumerId, JobId, OwnerId};
use crate::protocol::limits::{DELIVERY_LIMIT, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, TRACE_MESSAGES_MAX, WHIP_CAPACITY};
use crate::protocol::workload::Workload;

/// Takes tasks; routing key [`task_key`].
pub const TASKS: &str = "packhorse.v1.tasks";
/// Takes outcomes, plans and seals; routing key: the owner's id.
pub const OUTCOMES: &str = "packhorse.v1.outcomes";
/// Takes refused and given-up messages with the routing key that they had.
pub const DEAD: &str = "packhorse.v1.dead";
/// Takes what no queue was bound for.
pub const UNROUTED: &str = "packhorse.v1.unrouted";
/// The queue that keeps what was refused and given up. Not of its exchange's name: permissions are by
/// name, and who may bind a queue of their own to the exchange may not read what is others'.
pub const DEAD_QUEUE: &str = "packhorse.v1.dead.trace";
/// The queue that keeps what was unrouted.
pub const UNROUTED_QUEUE: &str = "packhorse.v1.unrouted.trace";
/// Takes requests, replies and heartbeats.
pub const CONTROL: &str = "packhorse.v1.control";

/// Routing key on [`CONTROL`] that reaches every owner.
pub const ALL_OWNERS: &str = "owners";
/// Routing key on [`CONTROL`] of consumers' heartbeats.
pub const PRESENCE: &str = "presence";
/// Routing key on [`CONTROL`] that asks every consumer for a heartbeat at once.
pub const ALL_CONSUMERS: &str = "consumers";

/// Names of owners' queues begin so.
pub const OWNER_QUEUES: &str = "packhorse.v1.owner.";
/// Names of the queues in which owners hear requests begin so.
pub const CONTROL_QUEUES: &str = "packhorse.v1.control.";
/// Names of the queues in which consumers hear requests begin so.
pub const CONSUMER_QUEUES: &str = "packhorse.v1.consumer.";
/// Names of queues for replies begin so.
pub const REPLY_QUEUES: &str = "packhorse.v1.replies.";

/// A topic exchange; all are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// Where a message goes that no queue is bound for.
    pub alternate: Option<String>,
}

/// What becomes of a message for a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The publisher is told (a nack), and keeps it.
    Reject,
    /// The oldest goes: for traces only.
    DropHead,
}

/// The kind of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// Durable and replicated: the default.
    Quorum,
    /// Durable, on one node, with an exact length limit.
    Classic,
    /// Gone with the connection that declared it.
    Exclusive,
}

/// A queue with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: QueueKind,
    /// Ready messages that it holds at most.
    pub messages_max: Option<u32>,
    /// Bytes of ready messages that it holds at most.
    pub bytes_max: Option<u64>,
    /// What becomes of more.
    pub overflow: Overflow,
    /// Where refused and given-up messages go; their routing key stays.
    pub dead_letter: Option<String>,
    /// Deliveries before a message is given up (quorum queues only).
    pub delivery_limit: Option<u32>,
    /// One of its consumers gets everything, the others stand by.
    pub single_active_consumer: bool,
}

/// A queue takes what an exchange gets under a key: words separated by dots, `*` for one word, `#`
/// for any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The queue's name.
    pub queue: String,
    /// The exchange's name.
    pub exchange: String,
    /// The key.
    pub key: String,
}

/// Things to declare together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// Exchanges, declared first.
    pub exchanges: Vec<Exchange>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Bindings, declared last.
    pub bindings: Vec<Binding>,
}

impl Topology {
    /// More of it.
    pub fn extend(&mut self, other: Self) {
        self.exchanges.extend(other.exchanges);
        self.queues.extend(other.queues);
        self.bindings.extend(other.bindings);
    }
}

/// What every role declares: the exchanges, and the two queues of traces.
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
    };
    Topology {
        exchanges: vec![
            exchange(UNROUTED, None),
            exchange(TASKS, Some(UNROUTED)),
            exchange(OUTCOMES, Some(UNROUTED)),
            exchange(DEAD, None),
            exchange(CONTROL, None),
        ],
        // `dead` is bound always, so that a dead letter without an owner leaves a trace.
        queues: vec![trace(DEAD_QUEUE), trace(UNROUTED_QUEUE)],
        bindings: vec![binding(DEAD_QUEUE, DEAD, "#"), binding(UNROUTED_QUEUE, UNROUTED, "#")],
    }
}

/// The queue of one workload and class.
pub fn tasks(workload: Workload, class: &Class) -> (Queue, Binding) {
    let name = format!("{TASKS}.{workload}.{class}");
    let binding = binding(&name, TASKS, &format!("{workload}.{class}.*"));
    let queue = match workload {
        // The whip holds 16 and not one more; a quorum queue overshoots its limit. The owner's
        // record makes up for what a classic queue may lose.
        Workload::Steps => Queue {
            kind: QueueKind::Classic,
            messages_max: Some(WHIP_CAPACITY),
            bytes_max: None,
            delivery_limit: None,
            ..durable(name)
        },
        Workload::Digest | Workload::Words => durable(name),
    };
    (queue, binding)
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
    }
}

/// Routing key of a task.
pub fn task_key(workload: Workload, class: &Class, owner: &OwnerId) -> String {
    format!("{workload}.{class}.{owner}")
}

/// The queue of an owner that outlives its process: a reducer service.
pub fn service_owner(owner: &OwnerId) -> (Queue, Vec<Binding>) {
    let queue = Queue { single_active_consumer: true, ..durable(owner_queue_name(owner)) };
    let bindings = owner_bindings(owner);
    (queue, bindings)
}

/// The queue of an owner that is one command: gone with its connection.
pub fn command_owner(owner: &OwnerId) -> (Queue, Vec<Binding>) {
    (exclusive(owner_queue_name(owner)), owner_bindings(owner))
}

fn owner_queue_name(owner: &OwnerId) -> String {
    format!("{OWNER_QUEUES}{owner}")
}

/// Outcomes by the owner's id; its tasks that died by the last word of their key.
fn owner_bindings(owner: &OwnerId) -> Vec<Binding> {
    let name = owner_queue_name(owner);
    vec![binding(&name, OUTCOMES, owner.as_str()), binding(&name, DEAD, &format!("*.*.{owner}"))]
}

/// Where an owner hears requests and heartbeats.
pub fn owner_control(owner: &OwnerId) -> (Queue, Vec<Binding>) {
    let name = format!("{CONTROL_QUEUES}{owner}");
    let bindings = [&owner_request_key(owner), ALL_OWNERS, PRESENCE].map(|key| binding(&name, CONTROL, key));
    (exclusive(name), bindings.into())
}

/// Routing key of a request to one owner.
pub fn owner_request_key(owner: &OwnerId) -> String {
    format!("owner.{owner}")
}

/// Where a consumer hears that it should give a heartbeat.
pub fn consumer_control(consumer: &ConsumerId) -> (Queue, Vec<Binding>) {
    let name = format!("{CONSUMER_QUEUES}{consumer}");
    let bindings = vec![binding(&name, CONTROL, ALL_CONSUMERS)];
    (exclusive(name), bindings)
}

/// Where one who asks gets replies; `asker` is unique to the process.
pub fn replies(asker: &JobId) -> (Queue, Vec<Binding>) {
    let name = format!("{REPLY_QUEUES}{asker}");
    let bindings = vec![binding(&name, CONTROL, &reply_key(asker))];
    (exclusive(name), bindings)
}

/// Routing key of a reply.
pub fn reply_key(asker: &JobId) -> String {
    format!("{REPLY}{asker}")
}

/// Whether it is the key of a reply: whoever asks must not choose what else an owner publishes.
pub fn is_reply_key(key: &str) -> bool {
    key.strip_prefix(REPLY).is_some_and(|asker| asker.parse::<JobId>().is_ok())
}

/// What every key of a reply begins with.
const REPLY: &str = "reply.";

/// Queues of each form of name, of an owner, a class and so on that nobody has: to see what the broker does to such
/// names. What is not exclusive has always the same name, because a broker never forgets one.
pub fn lookalikes() -> Vec<Queue> {
    let (class, owner) = (Class::from_name(LOOKALIKE.as_bytes()), OwnerId::from_name(LOOKALIKE.as_bytes()));
    let command = OwnerId::from_name(format!("{LOOKALIKE}-0000000000000000").as_bytes());
    let mut queues: Vec<Queue> = Workload::ALL.map(|workload| tasks(workload, &class).0).into();
    queues.extend([
        service_owner(&owner).0,
        command_owner(&command).0,
        owner_control(&owner).0,
        consumer_control(&ConsumerId::from_name(LOOKALIKE.as_bytes())).0,
        replies(&JobId::from_name(LOOKALIKE.as_bytes())).0,
    ]);
    queues
}

/// An exchange for one look at what the broker does to queues.
pub fn probe(asker: &JobId) -> String {
    format!("packhorse.v1.doctor.{asker}")
}

/// A name that nobody gives a reducer or a root.
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
    fn every_length_limit_states_its_overflow_and_no_work_is_dropped() {
        let class = Class::from_name(b"any");
        let owner = OwnerId::from_name(b"main");
        let mut queues = vec![service_owner(&owner).0, command_owner(&owner).0, owner_control(&owner).0];
        queues.extend(Workload::ALL.map(|workload| tasks(workload, &class).0));
        for queue in queues {
            assert_eq!(queue.overflow, Overflow::Reject, "{}", queue.name);
            assert!(queue.messages_max.is_some(), "{}", queue.name);
        }
    }
}
