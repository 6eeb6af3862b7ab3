//! An announcement: an owner tells consumers of a job whose tasks need a worker of its own kind.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Message, kind};
use crate::protocol::id::{Class, JobId, OpeningId, OwnerId};
use crate::protocol::payload::{ContentType, Payload};
use crate::protocol::reason::Reason;
use crate::protocol::workload::Workload;

/// Consumers that have such workers open a lane for the class. An owner repeats the announcement
/// once a heartbeat, and sends it at once when something of it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    pub job: JobId,
    pub opening: OpeningId,
    pub owner: OwnerId,
    pub workload: Workload,
    /// The class of the job's tasks.
    pub class: Class,
    /// The kind of worker.
    pub worker: String,
    /// How the worker's values are written.
    pub codec: ContentType,
    /// The version of the latest update; 0 if there is none.
    pub version: u64,
    /// Milliseconds until the owner repeats it.
    pub heartbeat_millis: u64,
    /// Whether the job is over, so that its lanes are closed.
    #[serde(rename = "over", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_over: bool,
}

impl Announcement {
    pub fn to_message(&self, id: String, now: SystemTime) -> Message {
        Message::json(kind::ANNOUNCEMENT, id, self, now)
    }

    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::ANNOUNCEMENT)?;
        message.parse()
    }
}

/// What a slot fetches from a job's owner before its first task, and when there is an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// What the worker begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Payload>,
    /// Ascending. The first may replace all before it: then there is a gap between its version and
    /// the one that was asked for.
    pub updates: Vec<Update>,
    /// The version of the latest update. If it is not the last of these, there are more.
    pub version: u64,
}

/// What changes a worker between two tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// 1, 2, 3, ...
    pub version: u64,
    /// Whether it replaces all updates before it, so that a worker may get it without these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    pub body: Payload,
}
