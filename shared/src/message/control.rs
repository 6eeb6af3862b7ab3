//! The control exchange: requests to owners, their replies, and consumers' signs of life.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{DeadDetail, DeadTask};
use crate::id::{Class, ConsumerId, JobId, Origin, OwnerId, ReportName, StoreId, TaskId};
use crate::job::{JobSpec, JobState, JobStatus};
use crate::workload::Workload;

/// What one may ask an owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Commit this job, or go on with it if it is known and the same.
    Open(Box<JobRequest>),
    /// How this job stands.
    Status {
        /// The job.
        job: JobId,
    },
    /// How every job stands.
    Jobs,
    /// End this job as it stands; the reply says how that is.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// Why a job or a task is as it is.
    Explain {
        /// The job.
        job: JobId,
        /// One of its tasks, if it is about that.
        number: Option<u64>,
    },
    /// The dead tasks.
    Dead {
        /// Those of this job, this task, or with this text in their reason; all if there is none.
        filter: Option<String>,
    },
    /// All about one dead task.
    DeadTask {
        /// Which.
        task: TaskId,
    },
    /// Put dead tasks back to work.
    Replay {
        /// Which, as in [`Request::Dead`].
        filter: Option<String>,
    },
    /// Forget dead tasks: they stay failed.
    Forget {
        /// Which, as in [`Request::Dead`].
        filter: Option<String>,
    },
    /// A report's bytes from a place on, once the job is finished.
    Report {
        /// The job.
        job: JobId,
        /// Which report.
        #[serde(default, skip_serializing_if = "ReportOf::is_results")]
        of: ReportOf,
        /// Where to go on: the start, or what the chunk before said.
        from: ReportPlace,
    },
    /// Who are you?
    Ping,
}

/// A job as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// Its id.
    pub job: JobId,
    /// What is to be done.
    pub spec: JobSpec,
    /// Where it comes from, if another id will do: if the latest job from there with the same spec and report
    /// has not ended, the owner goes on with that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Origin>,
    /// What its report is called where its owner writes one; the job's id if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportName>,
}

impl JobRequest {
    /// The job of this id and no other, with a report of the same name.
    pub fn new(job: JobId, spec: JobSpec) -> Self {
        Self { job, spec, resume: None, report: None }
    }
}

/// What an owner answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Open`].
    Opened(Opened),
    /// To [`Request::Status`] and [`Request::Cancel`].
    Status(Box<JobStatus>),
    /// To [`Request::Jobs`].
    Jobs {
        /// Oldest first.
        jobs: Vec<JobStatus>,
    },
    /// To [`Request::Explain`].
    Explained {
        /// One sentence, for people.
        text: String,
    },
    /// To [`Request::Dead`].
    Dead {
        /// The latest, oldest first.
        tasks: Vec<DeadTask>,
        /// How many more there are.
        more: u64,
    },
    /// To [`Request::DeadTask`].
    DeadTask(Box<DeadDetail>),
    /// To [`Request::Replay`].
    Replayed {
        /// Tasks that are open again.
        tasks: u64,
        /// Tasks that stay dead: their job is cancelled, or its report is being written.
        kept: u64,
    },
    /// To [`Request::Forget`].
    Forgotten {
        /// Tasks that are listed no more.
        tasks: u64,
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
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "raw")]
    pub resume: Option<Box<RawValue>>,
    /// The number of tasks, if the plan is sealed.
    pub sealed: Option<u64>,
    /// The link of the next task, see [`super::link`]; owners before it have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// This job, if it has ended; else the latest one before it with the same spec and report that has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// A job that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Its id.
    pub job: JobId,
    /// Finished or cancelled.
    pub state: JobState,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// [`Reply`] is told apart by a field of its body, and serde reads such a type by way of a value of
/// its own, which cannot hold raw JSON.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    let value: Option<serde_json::Value> = Option::deserialize(deserializer)?;
    value.map(|value| to_raw_value(&value).map_err(D::Error::custom)).transpose()
}

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportOf {
    /// What was found, as its workload writes it.
    #[default]
    Results,
    /// What failed and why: a line of JSON for each item.
    Failures,
}

impl ReportOf {
    fn is_results(&self) -> bool {
        *self == Self::Results
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_plan_goes_on_survives_a_reply() {
        let resume = Some(RawValue::from_string(r#"{"after":{"path":"a"},"start":0}"#.to_owned()).expect("JSON"));
        let (owner, store) = (OwnerId::from_name(b"main"), StoreId::from_name(b"s"));
        let job = JobId::from_name(b"j");
        let opened = Opened { job, owner, store, planned: 1, resume, sealed: None, after: None, ended: None };
        let text = serde_json::to_string(&Reply::Opened(opened)).expect("JSON");
        let Reply::Opened(read) = serde_json::from_str(&text).expect("it can be read") else { panic!("{text}") };
        assert_eq!(read.resume.expect("it is there").get(), r#"{"after":{"path":"a"},"start":0}"#);
    }
}
