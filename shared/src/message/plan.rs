//! A plan on its way from a producer to an owner: its tasks, one by one, and the seal.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Message, Reason, kind};
use crate::id::{Class, JobId, TaskId, fnv1a};
use crate::path::PathBytes;

/// Something that the plan itself could not take in, such as a directory that cannot be listed. It
/// counts as a failed item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFailure {
    /// The name as a report shows it.
    pub name: PathBytes,
    /// What happened, for people.
    pub reason: String,
}

/// One task as planned. Its number orders it in the job's report.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// 0, 1, 2, ... without gaps.
    pub number: u64,
    /// Who can do it.
    pub class: Class,
    /// The batch, in the form of its workload's contract. Absent when nothing is left to do, as
    /// when a plan ends in failures only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
    /// Items in the batch.
    pub items: u32,
    /// Bytes that the batch will read, as far as the plan knows.
    pub bytes: u64,
    /// What failed in planning since the task before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<PlanFailure>,
    /// What was left out since the task before, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// Where a plan goes on after this task, in the form of its workload; opaque to owners.
    pub resume: Box<RawValue>,
}

/// Header of a planned task and of a seal: what [`link`] says of the task before it.
const AFTER: &str = "after";

/// The link of a plan's first task: nothing is before it.
pub const FIRST_LINK: &str = "start";

/// The link of what comes after a task, which has the link `before` itself. It stands for the whole plan so far,
/// so that an owner never puts together tasks of two walks between which the tree has changed.
pub fn link(before: &str, planned: &Planned) -> String {
    let body = planned.body.as_ref().map_or("", |body| body.get());
    format!("{:016x}", fnv1a([before, body, planned.resume.get()].join("\n").as_bytes()))
}

/// Adds the link to a planned task's message, or to a seal's.
pub fn with_link(message: Message, after: Option<&str>) -> Message {
    match after {
        Some(after) => message.with_text(AFTER, after),
        None => message,
    }
}

/// The link of a planned task's message, or of a seal's; producers before it had none.
pub fn link_of(message: &Message) -> Option<String> {
    message.text(AFTER).map(str::to_owned)
}

impl Planned {
    /// As a message to the owner of `job`.
    pub fn to_message(&self, job: &JobId, now: SystemTime) -> Message {
        let task = TaskId { job: job.clone(), number: self.number };
        let mut message = Message::json(kind::PLANNED, task.to_string(), self, now);
        message.correlation = Some(job.to_string());
        message
    }

    /// From a message.
    pub fn from_message(message: &Message) -> Result<(JobId, Self), Reason> {
        message.expect(kind::PLANNED)?;
        let task: TaskId = message.id.parse().map_err(|e| Reason::header("message_id", &format!("{e}")))?;
        let planned: Self = message.parse()?;
        if planned.number != task.number {
            return Err(Reason::header("message_id", "it names another task than the body"));
        }
        Ok((task.job, planned))
    }
}

/// The plan is complete: it has tasks 0 to `tasks` - 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The job.
    pub job: JobId,
    /// How many tasks it has.
    pub tasks: u64,
}

impl Seal {
    /// As a message to the job's owner.
    pub fn to_message(&self, now: SystemTime) -> Message {
        let mut message = Message::json(kind::SEAL, format!("{}.seal", self.job), self, now);
        message.correlation = Some(self.job.to_string());
        message
    }

    /// From a message.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::SEAL)?;
        message.parse()
    }
}
