//! A broker in virtual time: queues with prefetch, redelivery, delivery limits, dead letters,
//! exclusive queues, single active consumers, and queues that refuse.
//!
//! It is written apart from the embedded transport on purpose, so that a mistake there is not made
//! here too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use shared::protocol::message::{FIRST_DEATH_REASON, HeaderValue, Message, kind};
use shared::protocol::reason::Untrusted;
use shared::protocol::topology::{self, Binding, Overflow, Queue, QueueKind};

/// One delivery of one message; no two deliveries have the same.
pub(super) type DeliveryTag = u64;

/// A consumer of a queue: one lane of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subscriber {
    pub process: usize,
    pub epoch: u64,
    pub lane: usize,
}

/// A message on its way to a subscriber.
#[derive(Debug, Clone)]
pub(super) struct Delivered {
    pub to: Subscriber,
    pub tag: DeliveryTag,
    pub key: Rc<str>,
    pub message: Rc<Message>,
    /// How often it went back to its queue.
    pub returns: u32,
}

/// One of the queues that the message was routed to is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

#[derive(Debug, Clone)]
struct Entry {
    place: u64,
    key: Rc<str>,
    message: Rc<Message>,
    returns: u32,
}

#[derive(Debug)]
struct LiveQueue {
    spec: Queue,
    bindings: BTreeSet<(String, String)>,
    /// Of an exclusive one: whose connection it ends with.
    connection: Option<(usize, u64)>,
    ready: VecDeque<Entry>,
    unacked: BTreeMap<DeliveryTag, (Subscriber, Entry)>,
    subscribers: Vec<(Subscriber, usize)>,
    /// Whose turn it is.
    turn: usize,
    /// For how many more publishes it refuses whatever comes.
    refusing: u32,
}

/// What an operator's policy lowers, so that limits are met in short runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// Returns of one message before it is a dead letter.
    pub delivery_limit: u32,
    /// Ready messages of a durable queue.
    pub messages_max: usize,
    /// How long it waits for an ack.
    pub ack_timeout: Option<Duration>,
}

/// The whole broker.
#[derive(Debug)]
pub(super) struct Broker {
    pub policy: Policy,
    queues: BTreeMap<String, LiveQueue>,
    numbers: u64,
    /// The next deliveries that are duplicated: the same message, twice in its queue.
    pub duplicate: u32,
    /// The next deliveries that overtake others.
    pub reorder: u32,
    /// What died, by message id: as the broker gave it up.
    pub given_up: BTreeMap<String, u32>,
}

impl Broker {
    pub fn new(policy: Policy) -> Self {
        let (queues, given_up) = (BTreeMap::new(), BTreeMap::new());
        Self { policy, queues, numbers: 0, duplicate: 0, reorder: 0, given_up }
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn declare(&mut self, queue: &Queue, connection: (usize, u64)) {
        let connection = (queue.kind == QueueKind::Exclusive).then_some(connection);
        self.queues.entry(queue.name.clone()).or_insert_with(|| LiveQueue {
            spec: queue.clone(),
            bindings: BTreeSet::new(),
            connection,
            ready: VecDeque::new(),
            unacked: BTreeMap::new(),
            subscribers: Vec::new(),
            turn: 0,
            refusing: 0,
        });
    }

    pub fn bind(&mut self, binding: &Binding) {
        if let Some(queue) = self.queues.get_mut(&binding.queue) {
            queue.bindings.insert((binding.exchange.clone(), binding.key.clone()));
        }
    }

    pub fn subscribe(&mut self, queue: &str, subscriber: Subscriber, prefetch: u16) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.subscribers.push((subscriber, usize::from(prefetch)));
        }
    }

    fn route(&self, exchange: &str, key: &str) -> Vec<String> {
        let takes =
            |queue: &&LiveQueue| queue.bindings.iter().any(|(e, pattern)| e == exchange && matches(pattern, key));
        let names: Vec<_> = self.queues.values().filter(takes).map(|queue| queue.spec.name.clone()).collect();
        let has_alternate = [topology::TASKS, topology::OUTCOMES, topology::PLANS].contains(&exchange);
        if names.is_empty() && has_alternate { self.route(topology::UNROUTED, key) } else { names }
    }

    pub fn publish(&mut self, exchange: &str, key: &str, message: &Rc<Message>) -> Result<(), Refused> {
        let mut result = Ok(());
        let key: Rc<str> = key.into();
        for name in self.route(exchange, &key) {
            let messages_max = self.policy.messages_max;
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            if queue.is_full(messages_max) {
                result = Err(Refused);
                continue;
            }
            self.push(&name, &key, message, 0);
        }
        result
    }

    fn push(&mut self, queue: &str, key: &Rc<str>, message: &Rc<Message>, returns: u32) {
        let place = self.next_number();
        let Some(queue) = self.queues.get_mut(queue) else { return };
        if queue.spec.overflow == Overflow::DropHead {
            // A trace: nobody consumes it here.
            return;
        }
        queue.ready.push_back(Entry { place, key: key.clone(), message: message.clone(), returns });
    }

    /// Puts a copy of a task or an outcome beside it, with another body, and as its taker has it after it did
    /// not open.
    pub fn forge(&mut self, which: usize) {
        let entries = self.queues.iter().flat_map(|(name, queue)| {
            let unacked = queue.unacked.values().map(|(_, entry)| entry);
            queue.ready.iter().chain(unacked).map(move |entry| (name, entry))
        });
        let is_worth_it = |message: &Message| [kind::TASK, kind::OUTCOME].contains(&message.kind.as_ref());
        let entries: Vec<_> = entries.filter(|(_, entry)| is_worth_it(&entry.message)).collect();
        let Some((name, entry)) = entries.get(which % entries.len().max(1)) else { return };
        let (name, key, mut message) = ((*name).clone(), entry.key.clone(), Message::clone(&entry.message));
        message.body = message.body.iter().map(|&byte| if byte == b'7' { b'8' } else { byte }).collect();
        message.untrusted = Some(Untrusted::Clear);
        self.push(&name, &key, &Rc::new(message), 0);
    }

    /// Puts a copy of a task into another of these queues.
    pub fn stray(&mut self, which: usize, queues: &[String]) {
        let entries = queues.iter().filter_map(|name| Some((name, self.queues.get(name)?)));
        let entries = entries.flat_map(|(name, queue)| {
            let unacked = queue.unacked.values().map(|(_, entry)| entry);
            queue.ready.iter().chain(unacked).map(move |entry| (name, entry))
        });
        let entries: Vec<_> = entries.filter(|(_, entry)| entry.message.kind == kind::TASK).collect();
        let Some((name, entry)) = entries.get(which % entries.len().max(1)) else { return };
        let others: Vec<_> = queues.iter().filter(|other| other != name && self.queues.contains_key(*other)).collect();
        let Some(other) = others.get(which % others.len().max(1)) else { return };
        let (key, message) = (entry.key.clone(), entry.message.clone());
        self.push(other, &key, &message, 0);
    }

    /// Everything that can be pushed to subscribers now.
    pub fn give(&mut self) -> Vec<Delivered> {
        let mut given = Vec::new();
        for queue in self.queues.values_mut() {
            while let Some(to) = (!queue.ready.is_empty()).then(|| queue.next_turn()).flatten() {
                let at = if self.reorder > 0 { queue.ready.len() - 1 } else { 0 };
                self.reorder = self.reorder.saturating_sub(1);
                let Some(entry) = queue.ready.remove(at) else { break };
                if self.duplicate > 0 {
                    self.duplicate -= 1;
                    self.numbers += 1;
                    queue.ready.push_back(Entry { place: self.numbers, ..entry.clone() });
                }
                self.numbers += 1;
                let tag = self.numbers;
                let (key, message, returns) = (entry.key.clone(), entry.message.clone(), entry.returns);
                given.push(Delivered { to, tag, key, message, returns });
                queue.unacked.insert(tag, (to, entry));
            }
        }
        given
    }

    /// A delivery that its subscriber has not acked.
    pub fn unacked(&self, subscriber_epoch: (usize, u64), tag: DeliveryTag) -> Option<Rc<Message>> {
        let (to, entry) = self.queues.values().find_map(|queue| queue.unacked.get(&tag))?;
        ((to.process, to.epoch) == subscriber_epoch).then(|| entry.message.clone())
    }

    /// What an ack is of: a delivery, or all of one subscription up to it.
    pub fn acked(&self, to: Subscriber, tag: DeliveryTag, is_multiple: bool) -> Vec<DeliveryTag> {
        let of_it = self.queues.values().flat_map(|queue| &queue.unacked);
        let of_it = of_it.filter(|(_, (subscriber, _))| *subscriber == to).map(|(&tag, _)| tag);
        of_it.filter(|&other| other == tag || (is_multiple && other < tag)).collect()
    }

    /// A stale ack does nothing.
    pub fn ack(&mut self, subscriber_epoch: (usize, u64), tag: DeliveryTag) {
        for queue in self.queues.values_mut() {
            let is_its = |(to, _): &(Subscriber, Entry)| (to.process, to.epoch) == subscriber_epoch;
            if queue.unacked.get(&tag).is_some_and(is_its) {
                queue.unacked.remove(&tag);
                return;
            }
        }
    }

    /// A consuming connection ends: its exclusive queues are gone, what it did not ack goes back.
    pub fn disconnect(&mut self, process: usize, epoch: u64) {
        self.queues.retain(|_, queue| queue.connection != Some((process, epoch)));
        self.end(|to| (to.process, to.epoch) == (process, epoch));
    }

    /// One subscription ends: what it did not ack goes back.
    pub fn unsubscribe(&mut self, subscriber: Subscriber) {
        self.end(|to| *to == subscriber);
    }

    fn end(&mut self, is_its: impl Fn(&Subscriber) -> bool) {
        let names: Vec<String> = self.queues.keys().cloned().collect();
        for name in names {
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            queue.subscribers.retain(|(to, _)| !is_its(to));
            let tags: Vec<_> = queue.unacked.iter().filter(|(_, (to, _))| is_its(to)).map(|(&tag, _)| tag).collect();
            for tag in tags {
                self.put_back(&name, tag);
            }
        }
    }

    fn put_back(&mut self, name: &str, tag: DeliveryTag) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let Some((_, mut entry)) = queue.unacked.remove(&tag) else { return };
        entry.returns += 1;
        let limit = queue.spec.delivery_limit.filter(|_| queue.spec.kind == QueueKind::Quorum);
        if limit.is_some_and(|limit| entry.returns > limit.min(self.policy.delivery_limit)) {
            let exchange = queue.spec.dead_letter.clone();
            return self.give_up(entry, exchange, name, "delivery_limit");
        }
        let at = queue.ready.partition_point(|ready| ready.place < entry.place);
        queue.ready.insert(at, entry);
    }

    /// What waits in a queue has waited longer than an operator's policy allows.
    pub fn expire(&mut self, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let exchange = queue.spec.dead_letter.clone();
        for entry in std::mem::take(&mut queue.ready) {
            self.give_up(entry, exchange.clone(), name, "expired");
        }
    }

    /// At most once: a dead letter that its queue refuses is lost. So is one that would go round in circles.
    fn give_up(&mut self, entry: Entry, exchange: Option<String>, name: &str, reason: &str) {
        let Some(exchange) = exchange else { return };
        let mut message = Message::clone(&entry.message);
        for (header, value) in [(FIRST_DEATH_REASON, reason), ("x-first-death-queue", name)] {
            message.headers.insert_new(header, || HeaderValue::Text(value.into()));
        }
        let message = Rc::new(message);
        let messages_max = self.policy.messages_max;
        // Nobody who trusts the dead letter has tried what expired.
        let is_an_attempt = reason != "expired" && message.untrusted.is_none();
        let others = self.route(&exchange, &entry.key).into_iter().filter(|other| other != name);
        for name in others.collect::<Vec<_>>() {
            let Some(queue) = self.queues.get_mut(&name).filter(|queue| queue.spec.overflow == Overflow::Reject) else {
                continue;
            };
            if !queue.is_full(messages_max) {
                // Whoever trusts it has learned of it.
                *self.given_up.entry(entry.message.id.to_string()).or_default() += u32::from(is_an_attempt);
                self.push(&name, &entry.key, &message, 0);
            }
        }
    }

    /// Deletes a queue with what it holds; the subscribers that it had.
    pub fn delete(&mut self, name: &str) -> Vec<Subscriber> {
        let queue = self.queues.remove(name);
        queue.map(|queue| queue.subscribers.into_iter().map(|(to, _)| to).collect()).unwrap_or_default()
    }

    pub fn wipe(&mut self) {
        self.queues.clear();
    }

    /// Makes a queue refuse the next publishes.
    pub fn refuse(&mut self, name: &str, publishes: u32) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.refusing = publishes;
        }
    }

    /// Ready messages; `None` when there is no such queue.
    pub fn ready(&self, name: &str) -> Option<u32> {
        self.queues.get(name).map(|queue| u32::try_from(queue.ready.len()).unwrap_or(u32::MAX))
    }

    /// Queues with work, not those of one connection alone.
    pub fn names(&self) -> Vec<String> {
        let is_shared = |queue: &&LiveQueue| queue.spec.overflow == Overflow::Reject && queue.connection.is_none();
        self.queues.values().filter(is_shared).map(|queue| queue.spec.name.clone()).collect()
    }

    /// Messages that nobody is done with, by queue.
    pub fn left(&self) -> Vec<(String, usize)> {
        let count = |queue: &LiveQueue| queue.ready.len() + queue.unacked.len();
        self.queues
            .values()
            .map(|queue| (queue.spec.name.clone(), count(queue)))
            .filter(|(_, left)| *left > 0)
            .collect()
    }
}

impl LiveQueue {
    fn is_full(&mut self, policy_max: usize) -> bool {
        if self.spec.overflow == Overflow::DropHead {
            return false;
        }
        if self.refusing > 0 {
            self.refusing -= 1;
            return true;
        }
        let max = self.spec.messages_max.map_or(usize::MAX, |max| max as usize);
        self.ready.len() >= if self.spec.kind == QueueKind::Quorum { max.min(policy_max) } else { max }
    }

    fn next_turn(&mut self) -> Option<Subscriber> {
        let count = self.subscribers.len();
        let candidates = if self.spec.single_active_consumer { count.min(1) } else { count };
        for step in 0..candidates {
            let at = if self.spec.single_active_consumer { 0 } else { (self.turn + step) % count };
            let (to, prefetch) = self.subscribers[at];
            let held = self.unacked.values().filter(|(holder, _)| *holder == to).count();
            if held < prefetch {
                self.turn = at + 1;
                return Some(to);
            }
        }
        None
    }
}

/// Whether a topic pattern takes a key, as AMQP defines it.
fn matches(pattern: &str, key: &str) -> bool {
    fn words_match(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern, key) {
            ([], []) => true,
            (["#", rest @ ..], _) => {
                words_match(rest, key) || matches!(key, [_, fewer @ ..] if words_match(pattern, fewer))
            }
            (["*", rest @ ..], [_, fewer @ ..]) => words_match(rest, fewer),
            ([word, rest @ ..], [found, fewer @ ..]) => word == found && words_match(rest, fewer),
            _ => false,
        }
    }
    if pattern == key {
        return true;
    }
    let split = |text| str::split(text, '.').collect::<Vec<_>>();
    words_match(&split(pattern), &split(key))
}
