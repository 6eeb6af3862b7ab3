//! A cancellation: an owner tells consumers which tasks they need not do any more.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Message, kind};
use crate::protocol::id::OpeningId;
use crate::protocol::reason::Reason;

/// Tasks of these openings are cancelled. A consumer that holds one acks it and sends no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// All of one owner.
    pub openings: Vec<OpeningId>,
}

impl Cancel {
    pub fn to_message(&self, id: String, now: SystemTime) -> Message {
        Message::json(kind::CANCEL, id, self, now)
    }

    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::CANCEL)?;
        message.parse()
    }
}
