//! A lease: the consumer keeps a long task without its delivery, because the broker takes
//! deliveries back after its acknowledgement time-out.

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
    /// The task's, so that a lease shows what is held.
    pub body: Payload,
}

impl Lease {
    pub fn to_message(&self, now: SystemTime) -> Message {
        let message = Message::new(kind::LEASE, self.address.task.to_string(), self.body.clone(), now);
        let message = self.address.write(message).with_text("holder", &self.holder);
        let message = message.with_text("host", self.host.as_str());
        message.with_bool("started", self.is_started).with_bool("redelivered", self.redelivered)
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
            body: message.payload()?,
        })
    }
}
