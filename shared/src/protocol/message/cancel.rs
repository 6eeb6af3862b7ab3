//! A cancellation: an owner tells consumers what they need not do any more.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Message, kind};
use crate::protocol::id::OpeningId;
use crate::protocol::reason::Reason;

/// Tasks of these openings are not wanted: whoever has one acks it, and answers nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The openings, of one owner.
    pub openings: Vec<OpeningId>,
}

impl Cancel {
    /// As a message to every consumer.
    pub fn to_message(&self, id: String, now: SystemTime) -> Message {
        Message::json(kind::CANCEL, id, self, now)
    }

    /// From a message.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::CANCEL)?;
        message.parse()
    }
}
