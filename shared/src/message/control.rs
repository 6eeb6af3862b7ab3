//! The control exchange: requests to owners, their replies, and consumers' signs of life.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{Class, ConsumerId, JobId, OwnerId, StoreId, TaskId};
use crate::job::{JobSpec, JobStatus};
use crate::workload::Workload;

/// What one may ask an owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Commit this job, or go on with it if it is known and the same.
    Open {
        /// Its id.
        job: JobId,
        /// What is to be done.
        spec: Box<JobSpec>,
    },
    /// How this job stands.
    Status {
        /// The job.
        job: JobId,
    },
    /// How every job stands.
    Jobs,
    /// The report's text from a place on, once the job is finished.
    Report {
        /// The job.
        job: JobId,
        /// Where to go on: the start, or what the chunk before said.
        from: ReportPlace,
    },
    /// Who are you?
    Ping,
}

/// What an owner answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Open`].
    Opened(Opened),
    /// To [`Request::Status`].
    Status(Box<JobStatus>),
    /// To [`Request::Jobs`].
    Jobs {
        /// Oldest first.
        jobs: Vec<JobStatus>,
    },
    /// To [`Request::Report`].
    Report(ReportChunk),
    /// To [`Request::Ping`].
    Pong {
        /// The owner.
        owner: OwnerId,
    },
    /// It cannot be done, and why.
    Refused {
        /// For people.
        reason: String,
    },
    /// This owner does not have the job.
    UnknownJob,
}

/// A job that is committed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opened {
    /// The job.
    pub job: JobId,
    /// The owner.
    pub owner: OwnerId,
    /// Its store: tasks carry it, outcomes echo it.
    pub store: StoreId,
    /// Tasks planned without a gap; the next to plan has this number.
    pub planned: u64,
    /// What the last of them said about going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Box<RawValue>>,
    /// The number of tasks, if the plan is sealed.
    pub sealed: Option<u64>,
}

/// A place in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportPlace {
    /// A task.
    pub task: u64,
    /// A byte of its part of the report.
    pub byte: u64,
}

/// A piece of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportChunk {
    /// Where to go on.
    pub next: ReportPlace,
    /// Whether the report ends here.
    pub last: bool,
    /// Its bytes, base64.
    pub text_base64: String,
}

/// A consumer's sign of life: each heartbeat, when it starts, and when it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Which process.
    pub consumer: ConsumerId,
    /// On which machine.
    pub host: String,
    /// Packhorse's version.
    pub version: String,
    /// Tasks that it does at a time.
    pub slots: u32,
    /// What it subscribes to.
    pub serves: Vec<(Workload, Class)>,
    /// Tasks that it holds: under way or waiting in its prefetch.
    pub holds: Vec<TaskId>,
    /// Milliseconds until the next sign.
    pub heartbeat_millis: u64,
    /// It stops: do not wait for it.
    pub leaving: bool,
}
