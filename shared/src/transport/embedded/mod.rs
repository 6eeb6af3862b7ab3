//! The transport inside one process: a broker in memory.
//!
//! It keeps the guarantees that roles rely on at RabbitMQ, so that code tested here has met
//! prefetch, redelivery, dead letters and full queues. Where RabbitMQ leaves a choice, this broker
//! does the following:
//!
//! - Messages are pushed: a subscription holds up to its prefetch even if its consumer does not ask
//!   for them, and they count as delivered. A prefetch of 0 means 1, because nothing here is
//!   unlimited.
//! - If one full queue refuses a message, the publish is refused; the other queues still get the
//!   message, as at RabbitMQ.
//! - Limits count ready messages. A message that goes back to its queue and a dead letter are
//!   accepted even by a full queue, because they were accepted once before.
//! - A message that goes back takes its old place, in front of messages that were never delivered.
//!   (RabbitMQ's quorum queues put a requeued message last if they have no delivery limit.)
//! - A message with a delivery limit of n is given up when it goes back for the n + 1st time.
//! - A queue that expires is deleted at the first request after its time. Asking for its state begins
//!   the time again, as at RabbitMQ.
//! - An exclusive queue is deleted when its subscription ends, or with the handle that declared it.
//!
//! # Layout
//! - `route`: which queues an exchange gives a message to
//! - `entry`: the parts of a queue
//! - `queue`: one queue: which consumer gets a message, and which messages go back or are given up
//! - `broker`: all exchanges and queues, and the routing of dead letters
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
/// A clone is the same handle; [`Embedded::connect`] gives another one, like a second connection.
/// The broker ends with its last handle, subscription and delivery.
#[derive(Clone)]
pub struct Embedded {
    connection: Arc<Connection>,
}

/// One handle's connection to the broker. Closing it ends its subscriptions and exclusive queues.
struct Connection {
    broker: Arc<Mutex<Broker>>,
    id: u64,
}

impl Embedded {
    pub fn new() -> Self {
        Self::over(Arc::default())
    }

    /// Another handle on the same broker; closing one does not affect the others.
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
    // A derived `Debug` would print every message in the broker.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("connection", &self.connection.id).finish_non_exhaustive()
    }
}

/// No code under this lock blocks, awaits or is expected to panic. If it panics anyway, poisoning
/// is ignored: the other connections' messages are still usable.
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
        // No code below waits, so a publisher in a loop would starve the consumers on its thread.
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
