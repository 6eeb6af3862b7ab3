//! One queue with its consumers: which consumer gets a message, and which messages go back or are
//! given up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::entry::{Consumer, Dead, Entry, Full, Taken, Verdict};
use crate::protocol::limits::MEMORY_QUEUE_BYTES_MAX;
use crate::protocol::message::{HeaderValue, Message};
use crate::protocol::topology::{Overflow, Queue, QueueKind};

#[derive(Debug)]
pub(super) struct LiveQueue {
    pub(super) spec: Queue,
    /// The connection that declared the queue.
    pub(super) connection: u64,
    places: u64,
    /// Sorted by place.
    ready: VecDeque<Entry>,
    ready_bytes: u64,
    /// Sorted by id, which is the order in which they subscribed.
    consumers: BTreeMap<u64, Consumer>,
    /// When the queue was last declared, looked at, or left by its last consumer. `None` if it does
    /// not expire, or has consumers.
    unused_since: Option<Instant>,
    /// Consumers with room, each once; the front one is next. Unused with a single active consumer.
    turns: VecDeque<u64>,
}

impl LiveQueue {
    pub(super) fn new(spec: Queue, connection: u64) -> Self {
        let unused_since = spec.expires.map(|_| Instant::now());
        Self {
            spec,
            unused_since,
            connection,
            places: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
            consumers: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// The time after which an unused queue is deleted begins again.
    pub(super) fn touch(&mut self) {
        self.unused_since = self.spec.expires.filter(|_| self.consumers.is_empty()).map(|_| Instant::now());
    }

    pub(super) fn is_expired(&self) -> bool {
        self.unused_since.zip(self.spec.expires).is_some_and(|(since, expires)| since.elapsed() >= expires)
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn consumers(&self) -> usize {
        self.consumers.len()
    }

    pub(super) fn has_consumer(&self, id: u64) -> bool {
        self.consumers.contains_key(&id)
    }

    /// Adds a message and pushes ready messages to consumers. A full queue refuses the message, or
    /// drops its oldest ones and returns their dead letters. `admitted`: the message was in a queue
    /// before, and is never refused.
    pub(super) fn push(&mut self, key: Arc<str>, message: Arc<Message>, admitted: bool) -> Result<Vec<Dead>, Full> {
        let rejects = self.spec.overflow == Overflow::Reject;
        if rejects && !admitted && self.is_over(1, message.body.len() as u64) {
            return Err(Full);
        }
        self.places += 1;
        self.ready_bytes += message.body.len() as u64;
        self.ready.push_back(Entry { place: self.places, key, message, returns: 0 });
        self.give();
        let mut dead = Vec::new();
        while !rejects && self.is_over(0, 0) {
            let Some(entry) = self.pop_ready() else { break };
            dead.extend(self.give_up(entry, "maxlen"));
        }
        Ok(dead)
    }

    fn is_over(&self, more: usize, more_bytes: u64) -> bool {
        let messages = self.spec.messages_max.is_some_and(|max| self.ready.len() + more > max as usize);
        let bytes_max = self.spec.bytes_max.unwrap_or(u64::MAX).min(MEMORY_QUEUE_BYTES_MAX);
        messages || self.ready_bytes + more_bytes > bytes_max
    }

    fn pop_ready(&mut self) -> Option<Entry> {
        let entry = self.ready.pop_front()?;
        self.ready_bytes -= entry.message.body.len() as u64;
        Some(entry)
    }

    /// Pushes ready messages to consumers with room, in turn.
    fn give(&mut self) {
        while !self.ready.is_empty() {
            let Some(id) = self.next_turn() else { return };
            let Some(entry) = self.pop_ready() else { return };
            let Some(consumer) = self.consumers.get_mut(&id) else { return };
            consumer.inbox.push_back(entry.place);
            consumer.unacked.insert(entry.place, entry);
            consumer.bell.notify_one();
            if consumer.has_room() && !self.spec.single_active_consumer {
                self.turns.push_back(id);
            }
        }
    }

    fn next_turn(&mut self) -> Option<u64> {
        if self.spec.single_active_consumer {
            let (&id, active) = self.consumers.first_key_value()?;
            return active.has_room().then_some(id);
        }
        self.turns.pop_front()
    }

    /// The next delivery for a consumer; the outer `None` if the consumer does not exist.
    pub(super) fn take(&mut self, consumer: u64) -> Option<Option<Taken>> {
        let consumer = self.consumers.get_mut(&consumer)?;
        let entry = consumer.inbox.pop_front().and_then(|place| consumer.unacked.get(&place));
        Some(entry.map(|entry| Taken {
            place: entry.place,
            key: entry.key.clone(),
            message: entry.message.clone(),
            returns: entry.returns,
        }))
    }

    /// Settles a delivery; a stale one is ignored.
    pub(super) fn settle(&mut self, id: u64, place: u64, verdict: Verdict) -> Option<Dead> {
        let consumer = self.consumers.get_mut(&id)?;
        let had_room = consumer.has_room();
        let entry = consumer.unacked.remove(&place)?;
        if !had_room && !self.spec.single_active_consumer {
            self.turns.push_back(id);
        }
        let dead = match verdict {
            Verdict::Done => None,
            Verdict::Requeue => self.put_back(entry),
            Verdict::Reject => self.give_up(entry, "rejected"),
        };
        self.give();
        dead
    }

    pub(super) fn add_consumer(&mut self, id: u64, consumer: Consumer) {
        self.consumers.insert(id, consumer);
        self.touch();
        if !self.spec.single_active_consumer {
            self.turns.push_back(id);
        }
        self.give();
    }

    /// Ends a consumer; its unacked messages go back.
    pub(super) fn remove_consumer(&mut self, id: u64) -> Vec<Dead> {
        let dead = self.detach(id);
        self.give();
        dead
    }

    /// Ends the consumers of one connection. All are removed before any message is pushed again;
    /// otherwise a message would pass from one ending consumer to the next and use up its delivery
    /// limit.
    pub(super) fn remove_consumers_of(&mut self, connection: u64) -> Vec<Dead> {
        let of_it = self.consumers.iter().filter(|(_, consumer)| consumer.connection == connection);
        let ids: Vec<u64> = of_it.map(|(&id, _)| id).collect();
        let dead = ids.into_iter().flat_map(|id| self.detach(id)).collect();
        self.give();
        dead
    }

    fn detach(&mut self, id: u64) -> Vec<Dead> {
        let Some(consumer) = self.consumers.remove(&id) else { return Vec::new() };
        self.turns.retain(|&turn| turn != id);
        consumer.bell.notify_one();
        self.touch();
        consumer.unacked.into_values().filter_map(|entry| self.put_back(entry)).collect()
    }

    /// Wakes every consumer, so that each finds the queue deleted.
    pub(super) fn ring_all(&self) {
        self.consumers.values().for_each(|consumer| consumer.bell.notify_one());
    }

    fn put_back(&mut self, mut entry: Entry) -> Option<Dead> {
        entry.returns += 1;
        let limit = self.spec.delivery_limit.filter(|_| self.spec.kind == QueueKind::Quorum);
        if limit.is_some_and(|limit| entry.returns > limit) {
            return self.give_up(entry, "delivery_limit");
        }
        self.ready_bytes += entry.message.body.len() as u64;
        let at = self.ready.partition_point(|ready| ready.place < entry.place);
        self.ready.insert(at, entry);
        None
    }

    /// `None` if there is no dead-letter exchange; the message is dropped.
    fn give_up(&self, entry: Entry, reason: &str) -> Option<Dead> {
        let exchange = self.spec.dead_letter.clone()?;
        let mut message = Arc::unwrap_or_clone(entry.message);
        // As at RabbitMQ, a message that died before keeps its first reason.
        for (name, value) in [("x-first-death-reason", reason), ("x-first-death-queue", &self.spec.name)] {
            message.headers.insert_new(name, || HeaderValue::Text(value.into()));
        }
        Some(Dead { exchange, key: entry.key, message: Arc::new(message) })
    }
}
