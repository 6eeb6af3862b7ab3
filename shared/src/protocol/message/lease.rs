//! A lease: the consumer keeps a long task without its delivery, because the broker takes
//! deliveries back after its acknowledgement time-out, or because it has answered a part of the
//! task.

use std::time::SystemTime;

use super::{Address, HeaderValue, Message, kind};
use crate::protocol::id::ConsumerId;
use crate::protocol::payload::Payload;
use crate::protocol::reason::Reason;

/// Tells the owner which consumer holds a task. It replaces the task's delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Copied from the task.
    pub address: Address,
    /// The consumer that holds the task and lists it in each heartbeat.
    pub holder: ConsumerId,
    pub host: String,
    /// Whether the consumer works on the task. If not, the consumer gives it back: the task waited
    /// too long for a slot.
    pub is_started: bool,
    /// Whether the broker had delivered the task before; then an earlier consumer may have died of
    /// it.
    pub redelivered: bool,
    pub body: LeaseBody,
}

/// What a lease carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseBody {
    /// The task's body, so that a lease shows what is held.
    Task(Payload),
    /// The answer to a part of the task. The holder goes on with the items that are open in it, and
    /// its outcome is about these.
    Early {
        answer: Payload,
        /// Time that the work on the answered items took, microseconds.
        micros: u64,
    },
}

impl Lease {
    pub fn to_message(&self, now: SystemTime) -> Message {
        let (LeaseBody::Task(body) | LeaseBody::Early { answer: body, .. }) = &self.body;
        let message = Message::new(kind::LEASE, self.address.task.to_string(), body.clone(), now);
        let message = self.address.write(message).with_text("holder", &self.holder);
        let message = message.with_text("host", self.host.as_str());
        let message = message.with_bool("started", self.is_started).with_bool("redelivered", self.redelivered);
        match self.body {
            LeaseBody::Task(_) => message,
            LeaseBody::Early { micros, .. } => message.with_integer("early", i64::try_from(micros).unwrap_or(i64::MAX)),
        }
    }

    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::LEASE)?;
        let is_started = match message.headers.get("started") {
            Some(HeaderValue::Bool(is_started)) => *is_started,
            _ => return Err(Reason::header("started", "it is missing or not a flag")),
        };
        Ok(Self {
            address: Address::read(message)?,
            holder: message.header_id("holder")?,
            host: message.text("host").unwrap_or("unknown").to_owned(),
            is_started,
            redelivered: message.headers.get("redelivered") == Some(&HeaderValue::Bool(true)),
            body: match (message.integer("early"), message.payload()?) {
                (None, body) => LeaseBody::Task(body),
                (Some(micros), answer) => LeaseBody::Early { answer, micros: u64::try_from(micros).unwrap_or(0) },
            },
        })
    }
}
