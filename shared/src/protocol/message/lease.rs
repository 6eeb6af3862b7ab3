//! A lease: a consumer takes a task over from the broker, which has no patience for long ones.

use std::time::SystemTime;

use bytes::Bytes;

use super::{Address, HeaderValue, Message, kind};
use crate::protocol::id::ConsumerId;
use crate::protocol::reason::Reason;

/// Whose task it is from now on, in place of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The task's address, echoed.
    pub address: Address,
    /// Who holds it, and names it with each heartbeat.
    pub holder: ConsumerId,
    /// On which machine.
    pub host: String,
    /// Whether it is worked on. If not it is given back: it has waited too long for a slot.
    pub is_started: bool,
    /// Whether it had come back from somebody before: then somebody may have died of it.
    pub redelivered: bool,
    /// The task's body.
    pub body: Bytes,
}

impl Lease {
    /// As a message.
    pub fn to_message(&self, now: SystemTime) -> Message {
        let message = Message::new(kind::LEASE, self.address.task.to_string(), self.body.clone(), now);
        let message = self.address.write(message).with_text("holder", self.holder.as_str());
        let mut message = message.with_text("host", self.host.as_str());
        message.headers.insert("started".to_owned(), HeaderValue::Bool(self.is_started));
        message.headers.insert("redelivered".to_owned(), HeaderValue::Bool(self.redelivered));
        message
    }

    /// From a message.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::LEASE)?;
        let is_started = match message.headers.get("started") {
            Some(HeaderValue::Bool(is_started)) => *is_started,
            _ => return Err(Reason::header("started", "it is missing or not a flag")),
        };
        Ok(Self {
            address: Address::read(message)?,
            holder: message.header("holder")?,
            host: message.text("host").unwrap_or("unknown").to_owned(),
            is_started,
            redelivered: message.headers.get("redelivered") == Some(&HeaderValue::Bool(true)),
            body: message.body.clone(),
        })
    }
}
