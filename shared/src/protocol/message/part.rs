//! A part of an outcome that is too large for one message, or whose size is not known in advance.

use std::time::SystemTime;

use super::{Address, Message, kind};
use crate::protocol::id::RunId;
use crate::protocol::payload::Payload;
use crate::protocol::reason::Reason;

/// The parts of an outcome.
///
/// The owner counts an outcome when all parts of its run are in the owner's store, and then drops
/// the parts of other runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The attempt that made the parts.
    pub run: RunId,
    pub count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Copied from the task.
    pub address: Address,
    /// The attempt that made the part.
    pub run: RunId,
    /// 0, 1, ... within its run.
    pub number: u32,
    /// The item that the part belongs to, if the part counts only when that item has a result.
    pub item: Option<u32>,
    /// As the workload's contract defines it.
    pub body: Payload,
}

impl Part {
    pub fn to_message(&self, now: SystemTime) -> Message {
        let message = Message::new(kind::PART, self.address.task.to_string(), self.body.clone(), now);
        let message = self.address.write(message).with_text("run", &self.run);
        let message = message.with_integer("part", i64::from(self.number));
        match self.item {
            Some(item) => message.with_integer("item", i64::from(item)),
            None => message,
        }
    }

    /// Reads all but the body, which the workload parses.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::PART)?;
        let number = |name: &str| message.integer(name).map(u32::try_from).transpose();
        let wrong = |name: &str| Reason::header(name, "it is out of range");
        Ok(Self {
            address: Address::read(message)?,
            run: message.header_id("run")?,
            number: number("part")
                .map_err(|_| wrong("part"))?
                .ok_or_else(|| Reason::header("part", "it is missing or not an integer"))?,
            item: number("item").map_err(|_| wrong("item"))?,
            body: message.payload()?,
        })
    }
}
