//! RabbitMQ: the transport across machines. Only this module uses the client library.
//!
//! A transport has three connections. The *publish* connection is the only one that publishes,
//! because a broker that is short of memory stops publishing connections. The *consume* connection
//! holds the consumers of shared queues, and is opened with the first of them. The *control*
//! connection declares, and holds exclusive queues with their consumers, because those belong to
//! the connection that declared them. Each connection is made again when it is lost. The client
//! library's own recovery stays off, because it leaves consumers hanging without an error.
//!
//! # Layout
//! - `address`: the broker's address, and the meaning of a refused connection
//! - `tls`: trusted authorities, and the meaning of a failed handshake
//! - `session`: shared by the connections: the address, the closed flag, and messages to people
//! - `link`: one connection and its epochs
//! - `fault`: how a request can fail, and its time limit
//! - `backoff`: waits between tries
//! - `control_connection`: declarations, repeated after a loss
//! - `declare`: single declarations
//! - `arguments`: queues and exchanges as AMQP declarations
//! - `publish`: puts a message into the publishing window
//! - `ceiling`: the largest message that the broker accepts, once it has stated it
//! - `outbox`: waiting and unconfirmed messages; pure state
//! - `window`: the task that sends, awaits confirms, and sends again
//! - `alarm`: publishing blocked by the broker
//! - `consume`: the task behind each subscription
//! - `stale_consumer`: detects a consumer that the broker has dropped silently
//! - `subscription`: the subscriber's side, and acks
//! - `stream`: a connection's bytes, plain or over TLS
//! - `properties`: envelopes as AMQP's basic properties
//! - [`probe`]: single questions about a broker that leave nothing behind

mod address;
mod alarm;
mod arguments;
mod backoff;
mod ceiling;
mod consume;
mod control_connection;
mod declare;
mod fault;
mod link;
mod outbox;
pub mod probe;
mod properties;
mod publish;
mod session;
mod stale_consumer;
mod stream;
mod subscription;
mod tls;
mod window;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use self::address::Address;
use self::consume::Source;
use self::control_connection::Control;
use self::link::{CLOSE_TIMEOUT, Link};
use self::publish::Publisher;
use self::session::Session;
use self::subscription::{Inbox, Inlet};
use self::window::Window;
use super::{Alias, BrokerUrl, PublishError, QueueState, Subscribe, Subscription, Transport, TransportError};
use crate::protocol::message::Message;
use crate::protocol::topology::Topology;

/// A broker and this process's connections to it.
pub struct RabbitMq {
    session: Arc<Session>,
    control: Arc<Control>,
    consume: Arc<Link>,
    publish: Arc<Link>,
    publisher: Publisher,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl RabbitMq {
    /// Connects. While the broker cannot be reached, this tries again with back-off until
    /// `patience` has passed, for ever if `None`. Refused credentials or a refused virtual host are
    /// errors at once.
    ///
    /// # Errors
    /// The broker cannot be reached in time, or it refuses the connection.
    pub async fn connect(url: &BrokerUrl, patience: Option<Duration>) -> Result<Self, TransportError> {
        let session = Arc::new(Session::new(Address::new(url)?));
        let deadline = patience.map(|patience| Instant::now() + patience);
        // A short job should not wait for handshakes. The first connection shows whether the broker
        // accepts this client; the second opens in the background, and the third with the first
        // consumer.
        let control = Link::new("control", Arc::clone(&session)).of_a_role().with_short_frames();
        let control = Arc::new(Control::new(control.open(deadline).await?));
        let publish = Arc::new(Link::new("publish", Arc::clone(&session)).of_a_role().with_short_frames());
        let consume = Arc::new(Link::new("consume", Arc::clone(&session)).of_a_role());
        let (publisher, pending) = Publisher::new(Arc::clone(&session));
        let ceiling = Arc::clone(&publisher.ceiling);
        let window = Window::new(Arc::clone(&session), Arc::clone(&publish), Arc::clone(&control), pending, ceiling);
        let tasks = Mutex::new(vec![tokio::spawn(window.run())]);
        Ok(Self { session, control, consume, publish, publisher, tasks })
    }

    fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }
}

#[async_trait]
impl Transport for RabbitMq {
    async fn declare(&self, topology: &Topology) -> Result<(), TransportError> {
        self.session.unless_closed(self.control.declare(topology)).await
    }

    async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
        self.publisher.publish(exchange, key, message).await
    }

    async fn subscribe(&self, wanted: Subscribe) -> Result<Box<dyn Subscription>, TransportError> {
        let mut source = Source {
            session: Arc::clone(&self.session),
            control: Arc::clone(&self.control),
            consume: Arc::clone(&self.consume),
            wanted: Alias::of(wanted),
        };
        let feed = self.session.unless_closed(source.open()).await?;
        let inbox = Arc::new(Inbox::default());
        let (alive, dropped) = oneshot::channel();
        self.keep(tokio::spawn(source.feed(feed, Arc::clone(&inbox), dropped)));
        Ok(Box::new(Inlet { inbox, session: Arc::clone(&self.session), _alive: alive }))
    }

    async fn queue(&self, name: &str) -> Result<Option<QueueState>, TransportError> {
        self.session.unless_closed(self.control.look(name)).await
    }

    async fn is_polling(&self) -> bool {
        // The publishing connection is left out: a broker that is short of memory blocks it, which
        // is not a fault of this process.
        let (control, consume) = tokio::join!(self.control.link.answers(), self.consume.answers());
        control && consume && !self.session.is_interrupted()
    }

    fn is_ephemeral(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.session.close();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = futures_util::future::join_all(tasks);
        let _ = timeout(CLOSE_TIMEOUT, ended).await;
        tokio::join!(self.control.link.close(), self.consume.close(), self.publish.close());
    }
}

impl Drop for RabbitMq {
    /// Ends the tasks. They hold the last handles on the connections, which close then.
    fn drop(&mut self) {
        self.session.close();
    }
}
