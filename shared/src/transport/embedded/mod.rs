//! The transport inside one process: an honest broker in memory.
//!
//! It keeps what a role may rely on at RabbitMQ, so that code which passes here does not meet
//! prefetch, redelivery, dead letters or full queues for the first time in production. Where
//! RabbitMQ leaves a choice, this is what holds here:
//!
//! - Messages are pushed: a subscription holds up to its prefetch, also when nobody asks for them,
//!   and they count as delivered. A prefetch of 0 means 1, since nothing here is without a limit.
//! - A publish that one full queue refuses is refused, and the other queues still get the message,
//!   as at RabbitMQ.
//! - Limits count ready messages. What goes back to a queue, and a dead letter, was admitted once
//!   and is taken also by a full queue.
//! - What goes back takes its old place, in front of what was never delivered (RabbitMQ's quorum
//!   queues put a requeued message last when they have no delivery limit).
//! - A message with a delivery limit of n is given up when it goes back for the n + 1st time.
//! - An exclusive queue is gone when its subscription ends, or with the handle that declared it.
//!
//! # Layout
//! - `route`: which queues an exchange gives a message to
//! - `entry`: what a queue is made of
//! - `queue`: one queue: who gets what, what goes back, what is given up
//! - `broker`: the exchanges and queues together, and where dead letters go
//! - `subscription`: the consumer's end

mod broker;
mod entry;
mod queue;
mod route;
mod subscription;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::broker::Broker;
use self::subscription::EmbeddedSubscription;
use super::{Oversize, PublishError, QueueState, Subscribe, Subscription, Transport, TransportError};
use crate::protocol::message::Message;
use crate::protocol::topology::Topology;

/// Exchanges and queues in this process's memory.
///
/// A clone is the same handle; [`Embedded::connect`] gives another one, as a second connection
/// would be. The broker ends with its last handle, subscription and delivery.
#[derive(Clone)]
pub struct Embedded {
    connection: Arc<Connection>,
}

/// One handle's share of the broker: what ends when it is closed.
struct Connection {
    broker: Arc<Mutex<Broker>>,
    id: u64,
}

impl Embedded {
    /// An empty broker.
    pub fn new() -> Self {
        Self::over(Arc::default())
    }

    /// Another handle on the same broker; closing one leaves the others alone.
    pub fn connect(&self) -> Self {
        Self::over(self.connection.broker.clone())
    }

    fn over(broker: Arc<Mutex<Broker>>) -> Self {
        let id = lock(&broker).connect();
        Self { connection: Arc::new(Connection { broker, id }) }
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Embedded {
    // Not derived: it would print every message that the broker holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("connection", &self.connection.id).finish_non_exhaustive()
    }
}

/// Nothing that is called under this lock blocks, awaits or panics by design; should it panic all
/// the same, the messages of others are worth more than the alarm, so poison is ignored.
fn lock(broker: &Mutex<Broker>) -> MutexGuard<'_, Broker> {
    broker.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, Broker> {
        lock(&self.broker)
    }

    fn open(&self) -> Result<MutexGuard<'_, Broker>, TransportError> {
        let broker = self.lock();
        if broker.is_connected(self.id) { Ok(broker) } else { Err(TransportError::Closed) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.lock().disconnect(self.id);
    }
}

#[async_trait]
impl Transport for Embedded {
    async fn declare(&self, topology: &Topology) -> Result<(), TransportError> {
        self.connection.open()?.declare(topology, self.connection.id)
    }

    async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
        if message.body.len() > message.bytes_max() {
            return Err(PublishError::TooLarge(Oversize { bytes: message.body.len(), words: None }));
        }
        // Nothing below waits, so a publisher in a loop would starve the consumers of its thread.
        tokio::task::consume_budget().await;
        self.connection.open()?.publish(exchange, key, message)
    }

    async fn subscribe(&self, subscription: Subscribe) -> Result<Box<dyn Subscription>, TransportError> {
        let consumer = self.connection.open()?.subscribe(&subscription, self.connection.id)?;
        let queue = subscription.queue.name.into();
        Ok(Box::new(EmbeddedSubscription::new(self.connection.clone(), queue, consumer)))
    }

    async fn queue(&self, name: &str) -> Result<Option<QueueState>, TransportError> {
        Ok(self.connection.open()?.queue_state(name))
    }

    fn is_ephemeral(&self) -> bool {
        true
    }

    async fn close(&self) {
        self.connection.lock().disconnect(self.connection.id);
    }
}
