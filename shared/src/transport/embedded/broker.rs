//! The embedded broker's exchanges and queues. No function here waits; one lock guards them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Notify;

use super::entry::{Consumer, Dead, Taken, Verdict};
use super::queue::LiveQueue;
use super::route::{LiveExchange, route};
use crate::protocol::message::Message;
use crate::protocol::topology::{Binding, Exchange, Queue, QueueKind, Topology};
use crate::transport::{PublishError, QueueState, Subscribe, TransportError};

/// Rounds of dead letters that one event may cause. Queues that drop their oldest message may name
/// each other as dead-letter exchange, in a circle.
const DEATHS_IN_A_ROW_MAX: u32 = 8;

#[derive(Default)]
pub(super) struct Broker {
    /// The last id of a connection or consumer. Ids are never reused, so a stale acker cannot
    /// settle the delivery of another consumer.
    ids: u64,
    connections: BTreeSet<u64>,
    exchanges: BTreeMap<String, LiveExchange>,
    /// Every binding names a queue in this map.
    queues: BTreeMap<Arc<str>, LiveQueue>,
    /// The queues that are deleted when they are unused for a time.
    expiring: BTreeSet<Arc<str>>,
}

impl Broker {
    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn connect(&mut self) -> u64 {
        let id = self.next_id();
        self.connections.insert(id);
        id
    }

    pub(super) fn is_connected(&self, connection: u64) -> bool {
        self.connections.contains(&connection)
    }

    /// Ends a connection's subscriptions and exclusive queues.
    pub(super) fn disconnect(&mut self, connection: u64) {
        if !self.connections.remove(&connection) {
            return;
        }
        let names: Vec<Arc<str>> = self.queues.keys().cloned().collect();
        for name in &names {
            let Some(queue) = self.queues.get_mut(name) else { continue };
            if queue.spec.kind == QueueKind::Exclusive && queue.connection == connection {
                self.delete(name);
            } else {
                let dead = queue.remove_consumers_of(connection);
                self.dead_letter(dead);
            }
        }
    }

    /// Deletes the queues that were unused for their time. Every request that could notice one
    /// calls this first, so there is no timer.
    fn expire(&mut self) {
        let is_expired = |name: &&Arc<str>| self.queues.get(*name).is_some_and(LiveQueue::is_expired);
        for name in self.expiring.iter().filter(is_expired).cloned().collect::<Vec<_>>() {
            self.delete(&name);
        }
    }

    pub(super) fn declare(&mut self, topology: &Topology, connection: u64) -> Result<(), TransportError> {
        self.expire();
        topology.exchanges.iter().try_for_each(|exchange| self.declare_exchange(exchange))?;
        topology.queues.iter().try_for_each(|queue| self.declare_queue(queue, connection))?;
        topology.bindings.iter().try_for_each(|binding| self.bind(binding))
    }

    fn declare_exchange(&mut self, exchange: &Exchange) -> Result<(), TransportError> {
        match self.exchanges.get(&exchange.name) {
            None => {
                self.exchanges.insert(exchange.name.clone(), LiveExchange::new(exchange.alternate.clone()));
            }
            Some(live) if live.alternate == exchange.alternate => {}
            Some(live) => {
                let (name, is, asked) = (exchange.name.clone(), &live.alternate, &exchange.alternate);
                let cause = format!("its alternate exchange is {is:?}, and {asked:?} was asked for");
                return Err(TransportError::Mismatch { name, cause });
            }
        }
        Ok(())
    }

    fn declare_queue(&mut self, queue: &Queue, connection: u64) -> Result<(), TransportError> {
        let name = queue.name.clone();
        match self.queues.get_mut(queue.name.as_str()) {
            None => {
                let name: Arc<str> = name.into();
                self.queues.insert(Arc::clone(&name), LiveQueue::new(queue.clone(), connection));
                if queue.expires.is_some() {
                    self.expiring.insert(name);
                }
                Ok(())
            }
            Some(live) if live.spec.kind == QueueKind::Exclusive && live.connection != connection => {
                Err(TransportError::Occupied { name })
            }
            Some(live) if live.spec == *queue => {
                live.touch();
                Ok(())
            }
            Some(live) => {
                let cause = format!("it is {:?}, and {queue:?} was asked for", live.spec);
                Err(TransportError::Mismatch { name, cause })
            }
        }
    }

    fn bind(&mut self, binding: &Binding) -> Result<(), TransportError> {
        let missing = |what: &str, name: &str| TransportError::Other {
            action: format!("binding queue {} to exchange {}", binding.queue, binding.exchange),
            cause: format!("there is no {what} {name}"),
        };
        let (queue, _) =
            self.queues.get_key_value(binding.queue.as_str()).ok_or_else(|| missing("queue", &binding.queue))?;
        let exchange =
            self.exchanges.get_mut(&binding.exchange).ok_or_else(|| missing("exchange", &binding.exchange))?;
        exchange.bind(&binding.key, queue);
        Ok(())
    }

    pub(super) fn publish(&mut self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
        self.expire();
        let queues = route(&self.exchanges, exchange, key).ok_or_else(|| TransportError::Other {
            action: format!("publishing to exchange {exchange}"),
            cause: "there is no such exchange".to_owned(),
        })?;
        let (shared_key, message) = (Arc::from(key), Arc::new(message));
        let mut refused = false;
        for name in queues {
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            match queue.push(Arc::clone(&shared_key), message.clone(), false) {
                Ok(dead) => self.dead_letter(dead),
                Err(_) => refused = true,
            }
        }
        match refused {
            true => Err(PublishError::Refused { exchange: exchange.to_owned(), key: key.to_owned() }),
            false => Ok(()),
        }
    }

    /// Routes dead letters, and the dead letters that they displace.
    fn dead_letter(&mut self, mut dead: Vec<Dead>) {
        for _ in 0..DEATHS_IN_A_ROW_MAX {
            let mut displaced = Vec::new();
            for Dead { exchange, key, message } in dead {
                for name in route(&self.exchanges, &exchange, &key).unwrap_or_default() {
                    let Some(queue) = self.queues.get_mut(&name) else { continue };
                    displaced.extend(queue.push(key.clone(), message.clone(), true).unwrap_or_default());
                }
            }
            if displaced.is_empty() {
                return;
            }
            dead = displaced;
        }
        tracing::warn!(
            messages = dead.len(),
            "dropped dead letters: the dead-letter exchanges of their queues form a circle"
        );
    }

    /// Adds a consumer; returns its id and its bell.
    pub(super) fn subscribe(
        &mut self,
        subscription: &Subscribe,
        connection: u64,
    ) -> Result<(u64, Arc<Notify>), TransportError> {
        self.expire();
        let spec = &subscription.queue;
        let existing = self.queues.get(spec.name.as_str());
        let is_new = existing.is_none();
        if existing.is_some_and(|queue| queue.spec.kind == QueueKind::Exclusive && queue.consumers() > 0) {
            return Err(TransportError::Occupied { name: spec.name.clone() });
        }
        self.declare_queue(spec, connection)?;
        if let Err(error) = subscription.bindings.iter().try_for_each(|binding| self.bind(binding)) {
            // Without a subscription this queue would never be deleted.
            if is_new && spec.kind == QueueKind::Exclusive {
                self.delete(&spec.name);
            }
            return Err(error);
        }
        let (id, bell) = (self.next_id(), Arc::new(Notify::new()));
        if let Some(queue) = self.queues.get_mut(spec.name.as_str()) {
            queue.add_consumer(id, Consumer::new(connection, subscription.prefetch, bell.clone()));
        }
        Ok((id, bell))
    }

    /// Ends a consumer, and deletes its queue if that is exclusive.
    pub(super) fn unsubscribe(&mut self, name: &str, consumer: u64) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        if queue.spec.kind == QueueKind::Exclusive && queue.has_consumer(consumer) {
            self.delete(name);
        } else {
            let dead = queue.remove_consumer(consumer);
            self.dead_letter(dead);
        }
    }

    /// Deletes a queue with its messages; these do not become dead letters.
    fn delete(&mut self, name: &str) {
        self.exchanges.values_mut().for_each(|exchange| exchange.unbind(name));
        self.expiring.remove(name);
        if let Some(queue) = self.queues.remove(name) {
            queue.ring_all();
        }
    }

    /// The next delivery for a consumer; `None` if it must wait for its bell.
    pub(super) fn take(&mut self, queue: &str, consumer: u64) -> Result<Option<Taken>, TransportError> {
        self.queues.get_mut(queue).and_then(|queue| queue.take(consumer)).ok_or(TransportError::Closed)
    }

    pub(super) fn settle(&mut self, queue: &str, consumer: u64, place: u64, verdict: Verdict) {
        let dead = self.queues.get_mut(queue).and_then(|queue| queue.settle(consumer, place, verdict));
        self.dead_letter(dead.into_iter().collect());
    }

    pub(super) fn queue_state(&mut self, name: &str) -> Option<QueueState> {
        self.expire();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let queue = self.queues.get_mut(name)?;
        queue.touch();
        Some(QueueState { ready: count(queue.ready()), consumers: count(queue.consumers()) })
    }
}
