//! The transport: carries messages from one role to another.
//!
//! One small trait has two implementations: [`embedded`] inside one process and [`rabbitmq`] across
//! machines. [`Sealed`] wraps either one to encrypt messages. All pass the same suite
//! (`conformance`, behind the feature of that name). The contract:
//!
//! - **At least once.** A message whose publish was confirmed is delivered until it is acked, as
//!   long as its queue exists. It may be delivered more than once, and it may be published twice
//!   under the same id after a lost connection.
//! - **Patient.** After the first connect, a lost connection is not an error: publishes wait and
//!   are sent again; subscriptions continue and report the loss once with
//!   [`Incoming::Interrupted`]. Only a problem that waiting cannot fix is an error.
//! - **Bounded.** A full queue refuses a message ([`PublishError::Refused`]), and the caller
//!   decides what to do. No buffer is without a limit.

mod acks;
mod alias;
pub mod ask;
mod choose;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
mod error;
pub mod rabbitmq;
mod sealed;
mod taken;
mod url;

use std::sync::Arc;

use async_trait::async_trait;

pub use acks::Acks;
pub use alias::Alias;
pub use choose::{BrokerUrl, InvalidUrl, Tls, connect};
pub use error::{Oversize, PublishError, TransportError};
pub use sealed::Sealed;
pub use taken::{Unpublished, dead_letter, until_taken};

use crate::protocol::message::Message;
use crate::protocol::topology::{Binding, Queue, Topology};

#[async_trait]
pub trait Transport: Send + Sync {
    /// Makes sure that the topology exists, now and after every reconnection. Declaring what
    /// already exists with the same arguments does nothing; with other arguments it is
    /// [`TransportError::Mismatch`].
    async fn declare(&self, topology: &Topology) -> Result<(), TransportError>;

    /// Publishes, and returns when every queue that the message was routed to has accepted or
    /// refused it. A message that no queue is bound for goes to the exchange's alternate, or is
    /// dropped. If the future is dropped, the message may or may not arrive.
    async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError>;

    /// Declares the queue with its bindings and consumes from it. After each reconnection an
    /// exclusive queue is declared again, empty.
    async fn subscribe(&self, subscription: Subscribe) -> Result<Box<dyn Subscription>, TransportError>;

    /// The state of a queue; `None` if it does not exist.
    async fn queue(&self, name: &str) -> Result<Option<QueueState>, TransportError>;

    /// Whether every subscription has its consumer at the broker, and the broker answers now on the
    /// connections that they use. This waits for the broker's answer. Always false while a
    /// connection is lost.
    async fn is_polling(&self) -> bool {
        true
    }

    /// Whether queues and messages end with this process.
    fn is_ephemeral(&self) -> bool;

    /// Closes within a time limit. Unacked messages go back to their queues.
    async fn close(&self);
}

/// A request to consume from a queue.
#[derive(Debug, Clone)]
pub struct Subscribe {
    pub queue: Queue,
    pub bindings: Vec<Binding>,
    /// Unacked deliveries at a time, at most.
    pub prefetch: u16,
}

/// The state of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that wait for a consumer.
    pub ready: u32,
    pub consumers: u32,
}

/// Deliveries of one queue. Dropping the subscription ends it; unacked messages go back to the
/// queue.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next event. Cancelling the wait loses nothing.
    async fn next(&mut self) -> Result<Incoming, TransportError>;
}

#[derive(Debug)]
pub enum Incoming {
    Delivery(Box<Delivery>),
    /// The connection was lost and restored. Earlier deliveries are stale: acking them does
    /// nothing, and the broker redelivers them. An exclusive queue has lost its messages.
    Interrupted,
}

#[derive(Debug)]
pub struct Delivery {
    pub message: Arc<Message>,
    /// The routing key that the message came with.
    pub key: Arc<str>,
    /// How often the message was delivered before and came back, for any reason: its consumer died,
    /// stopped, or lost its connection. If the queue does not count (RabbitMQ's classic queues), 1
    /// means at least once.
    pub returns: u32,
    /// Settles the delivery. If it is dropped unused, the message is redelivered when the
    /// subscription ends.
    pub acker: Box<dyn Acker>,
}

impl Delivery {
    /// Whether the message may have been delivered before.
    pub fn is_redelivered(&self) -> bool {
        self.returns > 0
    }
}

/// Acks these deliveries together, which takes fewer messages than one by one.
pub async fn ack_all(deliveries: impl IntoIterator<Item = Box<Delivery>>) {
    futures_util::future::join_all(deliveries.into_iter().map(|delivery| delivery.acker.ack())).await;
}

/// Settles one delivery. Settling a stale delivery does nothing: the message is redelivered.
#[async_trait]
pub trait Acker: Send + Sync + std::fmt::Debug {
    /// Removes the message from its queue.
    async fn ack(self: Box<Self>);

    /// Returns the message to its queue (`requeue`), or sends it to the dead-letter exchange.
    async fn nack(self: Box<Self>, requeue: bool);
}
