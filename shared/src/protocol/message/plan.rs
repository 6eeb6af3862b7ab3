//! A plan on its way from a producer to an owner: its tasks, one by one, and the plan end.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Message, kind};
use crate::protocol::id::{Class, JobId, OpeningId, PlanHash, TaskId};
use crate::protocol::path::PathBytes;
use crate::protocol::reason::Reason;

/// An entry that the planner could not plan, such as a directory that cannot be listed. It counts
/// as a failed item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFailure {
    /// As a report shows it.
    pub name: PathBytes,
    /// In plain English, for display.
    pub reason: String,
}

/// One planned task. Its number is its position in the job's report.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// 0, 1, 2, ... without gaps.
    pub number: u64,
    pub class: Class,
    /// The batch, as the workload's contract defines it. Absent when there is nothing to do, as
    /// when a plan ends with failures only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
    pub items: u32,
    /// Bytes that the batch will read, as far as the planner knows.
    pub bytes: u64,
    /// Entries that failed in planning since the previous task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<PlanFailure>,
    /// Entries that were left out since the previous task, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// Time of planning in nanoseconds since 1970, if the planner records it: a file changed later
    /// than this is not as planned. Another plan of the same tree has another time, so no hash
    /// covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

/// The place of a message in its job's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub opening: OpeningId,
    /// Hash of the plan before this message. With it the owner never combines tasks of two walks
    /// between which the tree changed.
    pub after: PlanHash,
}

impl Place {
    fn write(&self, message: Message) -> Message {
        message.with_text("opening", self.opening.as_str()).with_text("after", self.after.as_str())
    }

    fn read(message: &Message) -> Result<Self, Reason> {
        Ok(Self { opening: message.header("opening")?, after: message.header("after")? })
    }
}

impl Planned {
    /// The hash of the plan `before` with this task added.
    pub fn hash(&self, before: &PlanHash) -> PlanHash {
        let body = self.body.as_ref().map_or("", |body| body.get());
        let told = if self.failed.is_empty() && self.skipped.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&(&self.failed, &self.skipped)).expect("names and counts are JSON")
        };
        before.then(&[self.class.as_str(), body, &told])
    }

    pub fn to_message(&self, job: &JobId, place: &Place, now: SystemTime) -> Message {
        let task = TaskId { job: job.clone(), number: self.number };
        let mut message = Message::json(kind::PLANNED, task.to_string(), self, now);
        message.correlation = Some(job.to_string());
        place.write(message)
    }

    pub fn from_message(message: &Message) -> Result<(JobId, Place, Self), Reason> {
        message.expect(kind::PLANNED)?;
        let task: TaskId = message.id.parse().map_err(|e| Reason::header("message_id", &format!("{e}")))?;
        let place = Place::read(message)?;
        let planned: Self = message.parse()?;
        if planned.number != task.number {
            return Err(Reason::header("message_id", "it names another task than the body"));
        }
        Ok((task.job, place, planned))
    }
}

/// The plan is complete: it has tasks 0 to `tasks` - 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanEnd {
    pub job: JobId,
    pub tasks: u64,
}

impl PlanEnd {
    pub fn to_message(&self, place: &Place, now: SystemTime) -> Message {
        let mut message = Message::json(kind::PLAN_END, format!("{}.seal", self.job), self, now);
        message.correlation = Some(self.job.to_string());
        place.write(message)
    }

    pub fn from_message(message: &Message) -> Result<(Place, Self), Reason> {
        message.expect(kind::PLAN_END)?;
        Ok((Place::read(message)?, message.parse()?))
    }
}
