//! A plan on its way from a producer to an owner: its tasks, one by one, and the plan end.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{HeaderValue, Message, kind};
use crate::protocol::id::{Class, JobId, OpeningId, PlanHash, TaskId};
use crate::protocol::limits::NEEDS_MAX;
use crate::protocol::path::PathBytes;
use crate::protocol::payload::Payload;
use crate::protocol::reason::{Reason, from_json};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// 0, 1, 2, ... without gaps.
    pub number: u64,
    pub class: Class,
    /// The task's body, as the workload's contract defines it. `None` when there is nothing to do,
    /// as when a plan ends with failures only.
    pub body: Option<Payload>,
    pub items: u32,
    /// Bytes that the task will read, as far as the planner knows.
    pub bytes: u64,
    pub notes: Notes,
    /// Time of planning in nanoseconds since 1970, if the planner records it: a file changed later
    /// than this is not as planned. Another plan of the same tree has another time, so no hash
    /// covers it.
    pub at: Option<i64>,
}

/// What a planned task tells its owner besides the work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// Entries that failed in planning since the previous task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<PlanFailure>,
    /// Entries that were left out since the previous task, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// The tasks whose answers the task's body is made of: lower numbers than its own, ascending, at
    /// most [`NEEDS_MAX`]. The owner keeps the task back until all of them are answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<u64>,
}

impl Notes {
    /// As JSON; empty if there is nothing to tell.
    fn to_json(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        serde_json::to_vec(self).expect("names and counts are JSON")
    }
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
        message.with_text("opening", &self.opening).with_text("after", &self.after)
    }

    fn read(message: &Message) -> Result<Self, Reason> {
        Ok(Self { opening: message.header_id("opening")?, after: message.header_id("after")? })
    }
}

impl Planned {
    /// Why the task cannot be part of a plan, if it cannot.
    pub fn fault(&self) -> Option<String> {
        let needs = &self.notes.needs;
        let ascends = needs.is_sorted_by(|one, next| one < next);
        match needs.last() {
            None => None,
            Some(_) if needs.len() > NEEDS_MAX => Some(format!("it needs more than {NEEDS_MAX} tasks")),
            Some(last) if *last >= self.number => Some(format!("it needs task {last}, which is not before it")),
            Some(_) if !ascends => Some("the tasks that it needs are not in ascending order, each once".to_owned()),
            Some(_) if self.body.is_none() => Some("it needs other tasks, and has no work".to_owned()),
            Some(_) => None,
        }
    }

    /// The hash of the plan `before` with this task added. It covers all that decides what the task
    /// does and what the report says of it. Only the last of its texts may hold a newline.
    pub fn hash(&self, before: &PlanHash) -> PlanHash {
        let content_type = self.body.as_ref().map_or("", |body| body.content_type.as_str());
        let body = self.body.as_deref().unwrap_or_default();
        before.then(&[self.class.as_str().as_bytes(), content_type.as_bytes(), &self.notes.to_json(), body])
    }

    /// The body of the message is the notes, if there are any, and then the body of the task.
    pub fn to_message(&self, job: &JobId, place: &Place, now: SystemTime) -> Message {
        let task = TaskId { job: job.clone(), number: self.number };
        let notes = self.notes.to_json();
        let body = match &self.body {
            Some(body) if notes.is_empty() => body.clone(),
            Some(body) => Payload { bytes: joined(&notes, body), ..body.clone() },
            None => Payload::json(notes.clone()),
        };
        let mut message = Message::new(kind::PLANNED, task.to_string(), body, now)
            .with_text("class", &self.class)
            .with_integer("items", self.items.into())
            .with_integer("bytes", i64::try_from(self.bytes).unwrap_or(i64::MAX));
        message.correlation = Some(job.into());
        if !notes.is_empty() {
            message = message.with_integer("notes", i64::try_from(notes.len()).unwrap_or(i64::MAX));
        }
        if self.body.is_none() {
            message = message.with_bool("work", false);
        }
        if let Some(at) = self.at {
            message = message.with_integer("planned_at", at);
        }
        place.write(message)
    }

    pub fn from_message(message: &Message) -> Result<(JobId, Place, Self), Reason> {
        message.expect(kind::PLANNED)?;
        let task: TaskId = message.id.parse().map_err(|e| Reason::header("message_id", &format!("{e}")))?;
        let place = Place::read(message)?;
        let notes = usize::try_from(message.integer("notes").unwrap_or(0)).ok();
        let notes = notes.filter(|&notes| notes <= message.body.len());
        let notes = notes.ok_or_else(|| Reason::header("notes", "the body is not that long"))?;
        let mut body = message.payload()?;
        let told = body.bytes.split_to(notes);
        let has_body = message.headers.get("work") != Some(&HeaderValue::Bool(false));
        if !has_body && !body.is_empty() {
            return Err(Reason::header("work", "there is a body"));
        }
        let planned = Self {
            number: task.number,
            class: message.header("class")?,
            body: has_body.then_some(body),
            items: message.count("items")?,
            bytes: message.count("bytes")?,
            notes: if told.is_empty() { Notes::default() } else { from_json(&told)? },
            at: message.integer("planned_at"),
        };
        match planned.fault() {
            Some(fault) => Err(Reason::Body { detail: fault }),
            None => Ok((task.job, place, planned)),
        }
    }
}

fn joined(notes: &[u8], body: &[u8]) -> Bytes {
    let mut both = BytesMut::with_capacity(notes.len() + body.len());
    both.put_slice(notes);
    both.put_slice(body);
    both.freeze()
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
        let mut message = Message::json(kind::PLAN_END, format!("{}.plan_end", self.job), self, now);
        message.correlation = Some((&self.job).into());
        place.write(message)
    }

    pub fn from_message(message: &Message) -> Result<(Place, Self), Reason> {
        message.expect(kind::PLAN_END)?;
        Ok((Place::read(message)?, message.parse()?))
    }
}
