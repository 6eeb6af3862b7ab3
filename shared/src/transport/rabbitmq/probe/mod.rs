//! Inspects a broker for `packhorse doctor`: one question at a time, each on its own channel, and
//! without leaving anything behind.
//!
//! # How each question is asked without an effect
//! - *May this user publish this message?* A publish in a transaction that is rolled back. The
//!   broker checks rights, the exchange and the size when the message comes in, and then drops it.
//! - *May the user declare this?* A declaration with an invalid argument. The broker checks rights
//!   first.
//! - *What does a policy do?* Queues with names like those of Packhorse exist for a few seconds,
//!   with an exchange of their own.
//! - *May the user consume from it?* One message is fetched, and goes back. The broker checks
//!   rights first, so callers ask about a queue that does not exist wherever that gives the same
//!   answer.
//!
//! # Layout
//! - `greet`: reaches the server step by step, and reads its greeting
//! - `policy`: what policies do to messages in queues with names like those of Packhorse
//! - `trace`: reasons of dead letters

mod greet;
mod policy;
mod trace;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Event, ExchangeKind};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout};

pub use self::greet::{Reach, Server, reach};
pub use self::policy::{POLICY_LOOK, Treatment};
use super::address::Address;
use super::arguments;
use super::fault::{Fault, code, is_inequivalent, rpc};
use super::link::{Epoch, Link};
use super::properties::short;
use super::session::Session;
use crate::protocol::topology::{Binding, Exchange, Queue};
use crate::transport::{BrokerUrl, TransportError};

/// Time limit for opening a channel, including a new connection if one is needed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time limit for the reason of a closed channel. The reason is already on its way within this
/// process.
const LATE: Duration = Duration::from_secs(1);

/// Why the broker refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The user has no right to do this. In the broker's words.
    Forbidden(String),
    /// The queue or exchange does not exist.
    Missing,
    /// The arguments differ from those of the existing queue or exchange, or the message is too
    /// large.
    Precondition(String),
    /// The queue belongs to another connection.
    Locked,
    /// The broker blocks publishing, for this reason.
    Blocked(String),
    /// Another refusal, or no answer.
    Other(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forbidden(text) | Self::Precondition(text) | Self::Blocked(text) | Self::Other(text) => {
                f.write_str(text)
            }
            Self::Missing => f.write_str("there is none of this name"),
            Self::Locked => f.write_str("it belongs to another connection"),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused { code: code::ACCESS_REFUSED, text } => Self::Forbidden(text),
            Fault::Refused { code: code::NOT_FOUND, .. } => Self::Missing,
            Fault::Refused { code: code::PRECONDITION_FAILED, text } => Self::Precondition(text),
            Fault::Refused { code: code::RESOURCE_LOCKED, .. } => Self::Locked,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Whether a queue or exchange has the arguments that this version declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arguments {
    Same,
    /// It has the arguments of the previous version.
    Before,
    /// It has other arguments. In the broker's words.
    Other(String),
    /// Unknown, because only a user that may declare it can check.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub arguments: Arguments,
    /// Messages that wait in a queue; 0 for an exchange.
    pub ready: u32,
}

/// Limits that client and broker agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Channels on a connection; 0 for no limit.
    pub channels: u16,
    /// Bytes of a frame; 0 for no limit.
    pub frame_bytes: u32,
}

pub struct Probe {
    link: Link,
    limits: Limits,
}

impl Probe {
    /// Connects within `patience`.
    ///
    /// # Errors
    /// As [`super::RabbitMq::connect`].
    pub async fn connect(url: &BrokerUrl, patience: Duration) -> Result<Self, TransportError> {
        let session = Arc::new(Session::new(Address::new(url)?));
        let link = Link::new("doctor", session).open(Some(Instant::now() + patience)).await?;
        let epoch = link.epoch().await?;
        let configuration = epoch.connection.configuration();
        let limits = Limits { channels: configuration.channel_max(), frame_bytes: configuration.frame_max() };
        Ok(Self { link, limits })
    }

    /// Limits that client and broker agreed on.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A channel for one question, on a new connection if the last one has no channel left: each
    /// refusal makes one channel number unusable, see [`Epoch::channel`].
    async fn channel(&self) -> Result<(Arc<Epoch>, Channel), Refusal> {
        let open = async {
            let mut last = self.link.epoch().await?;
            if let Ok(channel) = last.channel().await {
                return Ok((last, channel));
            }
            self.link.end(&last).await;
            last = self.link.epoch().await?;
            match last.channel().await {
                Ok(channel) => Ok((last, channel)),
                Err(fault) => {
                    Err(TransportError::Other { action: "opening a channel".into(), cause: fault.to_string() })
                }
            }
        };
        match timeout(PATIENCE, open).await {
            Ok(opened) => opened.map_err(|error| Refusal::Other(error.to_string())),
            Err(_) => Err(Refusal::Other(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// Closes the connection, within a time limit.
    pub async fn close(self) {
        self.link.close().await;
    }

    /// Whether the broker would accept a message of this size from this user. The message is not
    /// delivered.
    pub async fn publish(&self, exchange: &str, key: &str, bytes: usize) -> Result<(), Refusal> {
        let (exchange, key) = (name(exchange)?, name(key)?);
        let (epoch, channel) = self.channel().await?;
        if epoch.connection.status().blocked() {
            return Err(Refusal::Blocked("it has blocked this connection".to_owned()));
        }
        rpc(channel.tx_select()).await?;
        let body = vec![b' '; bytes];
        let mut events = epoch.events.subscribe();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        // One request after the other: the client library may send other requests before messages.
        let sent = async {
            rpc(channel.basic_publish(exchange, key, options, &body, properties)).await?;
            rpc(channel.tx_rollback()).await
        };
        // The events tell why the channel was closed; the channel itself does not keep the reason.
        let told = async {
            loop {
                match events.recv().await {
                    Ok(Event::ConnectionBlocked(reason)) => return Refusal::Blocked(reason),
                    Ok(Event::Error(error)) => return Fault::from(error).into(),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let mut told = pin!(told);
        let answer = tokio::select! {
            biased;
            refusal = &mut told => return Err(refusal),
            answer = sent => answer,
        };
        if let Err(fault) = answer {
            return Err(timeout(LATE, told).await.unwrap_or_else(|_| fault.into()));
        }
        close(&channel).await;
        Ok(())
    }

    pub async fn exchange(&self, exchange: &Exchange) -> Result<Found, Refusal> {
        let name = name(&exchange.name)?;
        let (_, channel) = self.channel().await?;
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let look = channel.exchange_declare(name.clone(), ExchangeKind::Topic, passive, FieldTable::default());
        rpc(look).await?;
        let (options, table) = arguments::exchange(exchange);
        let declared = rpc(channel.exchange_declare(name, ExchangeKind::Topic, options, table)).await;
        close(&channel).await;
        Ok(Found { arguments: compared(declared)?, ready: 0 })
    }

    pub async fn queue(&self, queue: &Queue) -> Result<Found, Refusal> {
        let name = name(&queue.name)?;
        let (_, channel) = self.channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let ready = rpc(channel.queue_declare(name.clone(), passive, FieldTable::default())).await?.message_count();
        let mut arguments = compare(&channel, name.clone(), arguments::queue(queue)).await?;
        if let (Arguments::Other(_), Some(before)) = (&arguments, arguments::queue_before(queue)) {
            let (_, channel) = self.channel().await?;
            if compare(&channel, name, before).await? == Arguments::Same {
                arguments = Arguments::Before;
            }
        }
        Ok(Found { arguments, ready })
    }

    /// Whether this user may declare a queue of this name. The queue is not declared.
    pub async fn may_declare_queue(&self, queue: &str) -> Result<(), Refusal> {
        let (_, channel) = self.channel().await?;
        let table = impossible("x-max-length");
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        was_impossible(rpc(channel.queue_declare(name(queue)?, options, table)).await.map(drop))
    }

    /// Whether this user may declare an exchange of this name. The exchange is not declared.
    pub async fn may_declare_exchange(&self, exchange: &str) -> Result<(), Refusal> {
        let (_, channel) = self.channel().await?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let table = impossible("alternate-exchange");
        let declare = channel.exchange_declare(name(exchange)?, ExchangeKind::Topic, options, table);
        was_impossible(rpc(declare).await)
    }

    /// Whether this user may consume from a queue of this name. If the queue exists and holds
    /// messages, one of them counts as delivered once more.
    pub async fn may_consume(&self, queue: &str) -> Result<(), Refusal> {
        let (_, channel) = self.channel().await?;
        match rpc(channel.basic_get(name(queue)?, BasicGetOptions::default())).await.map_err(Refusal::from) {
            // The unacked message goes back when the channel is closed.
            Ok(_) => close(&channel).await,
            // The broker checks these after the rights: the queue does not exist, or has a single
            // active consumer.
            Err(Refusal::Missing | Refusal::Locked) => {}
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    /// Whether this user may declare an exclusive queue of this name with these bindings. The queue
    /// is deleted at once.
    pub async fn may_own(&self, queue: &Queue, bindings: &[Binding]) -> Result<(), Refusal> {
        let (_, channel) = self.channel().await?;
        let (options, table) = arguments::queue(queue);
        rpc(channel.queue_declare(name(&queue.name)?, options, table)).await?;
        for Binding { queue, exchange, key } in bindings {
            let (queue, exchange, key) = (name(queue)?, name(exchange)?, name(key)?);
            let options = QueueBindOptions::default();
            let bound = rpc(channel.queue_bind(queue.clone(), exchange, key, options, FieldTable::default())).await;
            if let Err(fault) = bound {
                self.delete(queue).await?;
                return Err(fault.into());
            }
        }
        close(&channel).await;
        self.delete(name(&queue.name)?).await
    }

    /// Whether the broker makes this queue. The queue is deleted at once.
    pub async fn makes(&self, queue: &Queue) -> Result<(), Refusal> {
        let (_, channel) = self.channel().await?;
        let (options, table) = arguments::queue(queue);
        rpc(channel.queue_declare(name(&queue.name)?, options, table)).await?;
        close(&channel).await;
        self.delete(name(&queue.name)?).await
    }

    async fn delete(&self, queue: ShortString) -> Result<(), Refusal> {
        let (_, channel) = self.channel().await?;
        rpc(channel.queue_delete(queue, QueueDeleteOptions::default())).await?;
        close(&channel).await;
        Ok(())
    }
}

/// Errors are ignored: a refusal may have closed the channel already, and otherwise it closes with
/// its connection.
async fn close(channel: &Channel) {
    if channel.status().connected() {
        let _ = rpc(channel.close(200, "done".into())).await;
    }
}

fn name(name: &str) -> Result<ShortString, Refusal> {
    short("a name", name).map_err(|error| Refusal::Other(error.to_string()))
}

/// Declares an existing queue to compare its arguments, and closes the channel.
async fn compare(
    channel: &Channel,
    name: ShortString,
    (options, table): (QueueDeclareOptions, FieldTable),
) -> Result<Arguments, Refusal> {
    let declared = rpc(channel.queue_declare(name, options, table)).await.map(drop);
    close(channel).await;
    compared(declared)
}

/// The meaning of the broker's answer to declaring a queue or exchange that exists.
fn compared(declared: Result<(), Fault>) -> Result<Arguments, Refusal> {
    match declared.map_err(Refusal::from) {
        Ok(()) => Ok(Arguments::Same),
        Err(Refusal::Precondition(text)) if is_inequivalent(&text) => Ok(Arguments::Other(text)),
        Err(Refusal::Forbidden(_)) => Ok(Arguments::Unknown),
        Err(refusal) => Err(refusal),
    }
}

/// An argument with a value that no queue or exchange can have.
fn impossible(argument: &str) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert(argument.into(), AMQPValue::LongLongInt(-1));
    table
}

/// `Ok` if the broker refused the impossible argument, which it checks after the rights.
fn was_impossible(declared: Result<(), Fault>) -> Result<(), Refusal> {
    match declared.map_err(Refusal::from) {
        Err(Refusal::Precondition(_)) => Ok(()),
        Ok(()) => Err(Refusal::Other("the broker took an argument that no broker takes".to_owned())),
        Err(refusal) => Err(refusal),
    }
}
