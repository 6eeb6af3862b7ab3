//! A cancellation: an owner tells consumers what they need not do any more.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Message, Reason, kind};
use crate::id::{JobId, StoreId};

/// Tasks of these jobs are not wanted: whoever has one acks it, and answers nothing.
///
/// Two owners may have jobs of one name, so the store is part of a job's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The store that counts the jobs' tasks.
    pub store: StoreId,
    /// The jobs.
    pub jobs: Vec<JobId>,
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
