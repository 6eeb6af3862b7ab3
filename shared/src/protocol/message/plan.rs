//! A plan on its way from a producer to an owner: its tasks, one by one, and the plan end.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Message, kind};
use crate::protocol::id::{Class, JobId, OpeningId, PlanHash, TaskId};
use crate::protocol::path::PathBytes;
use crate::protocol::reason::Reason;

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
    /// When it was planned, in nanoseconds since 1970, if its planner tells: what was changed later was not planned.
    /// Another plan of the same has another, so no hash is over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

/// Where in its job's plan something of it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which opening of the job it is for.
    pub opening: OpeningId,
    /// The plan before it: an owner never puts together tasks of two walks between which the tree has changed.
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
    /// The hash of the plan that goes on with it after `before`.
    pub fn hash(&self, before: &PlanHash) -> PlanHash {
        let body = self.body.as_ref().map_or("", |body| body.get());
        let told = if self.failed.is_empty() && self.skipped.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&(&self.failed, &self.skipped)).expect("names and counts are JSON")
        };
        before.then(&[self.class.as_str(), body, &told])
    }

    /// As a message to the owner of `job`.
    pub fn to_message(&self, job: &JobId, place: &Place, now: SystemTime) -> Message {
        let task = TaskId { job: job.clone(), number: self.number };
        let mut message = Message::json(kind::PLANNED, task.to_string(), self, now);
        message.correlation = Some(job.to_string());
        place.write(message)
    }

    /// From a message.
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
    /// The job.
    pub job: JobId,
    /// How many tasks it has.
    pub tasks: u64,
}

impl PlanEnd {
    /// As a message to the job's owner.
    pub fn to_message(&self, place: &Place, now: SystemTime) -> Message {
        let mut message = Message::json(kind::PLAN_END, format!("{}.seal", self.job), self, now);
        message.correlation = Some(self.job.to_string());
        place.write(message)
    }

    /// From a message.
    pub fn from_message(message: &Message) -> Result<(Place, Self), Reason> {
        message.expect(kind::PLAN_END)?;
        Ok((Place::read(message)?, message.parse()?))
    }
}
