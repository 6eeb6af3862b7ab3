//! The transport: how messages get from one role to another.
//!
//! One small trait, two implementations: [`embedded`] inside one process and [`rabbitmq`] across
//! machines. [`Sealed`] wraps either where messages are encrypted. All pass the same suite
//! (`conformance`, behind the feature of that name). The contract:
//!
//! - **At least once.** A message whose publish was confirmed is delivered until it is acked, as
//!   long as its queue exists. It may be delivered more than once, and published twice under the
//!   same id after a lost connection.
//! - **Patient.** After the first connect, a lost connection is no error: publishes wait and are
//!   sent again, subscriptions go on, and say so once with [`Incoming::Interrupted`]. Only what
//!   waiting cannot mend is an error.
//! - **Bounded.** A full queue refuses ([`PublishError::Refused`]); what to do is the caller's
//!   decision. Nothing buffers without a limit.

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

use async_trait::async_trait;

pub use alias::Alias;
pub use choose::{BrokerUrl, InvalidUrl, Tls, connect};
pub use error::{Oversize, PublishError, TransportError};
pub use sealed::Sealed;
pub use taken::{Unpublished, dead_letter, until_taken};

use crate::protocol::message::Message;
use crate::protocol::topology::{Binding, Queue, Topology};

/// What a role needs of a broker.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Makes sure that these exist, now and after every reconnection. Declaring what exists with
    /// the same arguments does nothing; with other arguments it is [`TransportError::Mismatch`].
    async fn declare(&self, topology: &Topology) -> Result<(), TransportError>;

    /// Publishes and returns when every queue that it was routed to has taken the message, or has
    /// refused it. A message that no queue is bound for goes to the exchange's alternate, or
    /// nowhere. Dropping the future leaves it unknown whether the message arrives.
    async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError>;

    /// Declares the queue with its bindings and consumes from it. An exclusive queue is declared
    /// anew, empty, after each reconnection.
    async fn subscribe(&self, subscription: Subscribe) -> Result<Box<dyn Subscription>, TransportError>;

    /// How a queue stands; `None` when there is none of this name.
    async fn queue(&self, name: &str) -> Result<Option<QueueState>, TransportError>;

    /// Whether each subscription has its consumer at the broker, which has answered just now on the
    /// connections that they use. Takes as long as the answer. Never so of a lost connection.
    async fn is_polling(&self) -> bool {
        true
    }

    /// Whether everything in it ends with this process.
    fn is_ephemeral(&self) -> bool;

    /// Closes within a limit. What is not acked goes back to its queues.
    async fn close(&self);
}

/// What to consume.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// The queue.
    pub queue: Queue,
    /// Its bindings.
    pub bindings: Vec<Binding>,
    /// Deliveries that may be unacked at a time.
    pub prefetch: u16,
}

/// How a queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that wait for a consumer.
    pub ready: u32,
    /// Consumers.
    pub consumers: u32,
}

/// Deliveries of one queue. Dropping it ends the subscription; what was delivered and not acked
/// goes back to the queue.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next. Cancelling the wait loses nothing.
    async fn next(&mut self) -> Result<Incoming, TransportError>;
}

/// What a subscription yields.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Delivery(Box<Delivery>),
    /// The connection was lost and is there again. Deliveries from before are stale (acking them
    /// does nothing, they come again), and an exclusive queue has lost what it held.
    Interrupted,
}

/// A message with its acker.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The routing key that it came with.
    pub key: String,
    /// How often it was delivered and came back, whyever: its consumer died, or stopped, or lost its
    /// connection. Where a queue does not count (RabbitMQ's classic ones), 1 stands for any number.
    pub returns: u32,
    /// Settles it. Dropped without settling, the message comes again when the subscription ends.
    pub acker: Box<dyn Acker>,
}

impl Delivery {
    /// Whether it may have been delivered before.
    pub fn is_redelivered(&self) -> bool {
        self.returns > 0
    }
}

/// Settles one delivery. Settling a stale one does nothing: the message comes again.
#[async_trait]
pub trait Acker: Send + Sync + std::fmt::Debug {
    /// The message is done with.
    async fn ack(self: Box<Self>);

    /// The message goes back to its queue (`requeue`), or to the dead-letter exchange.
    async fn nack(self: Box<Self>, requeue: bool);
}
