//! The control exchange: requests to owners, their replies, and consumers' heartbeats.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DeadDetail, DeadTask, Session};
use crate::protocol::id::{
    Class, ConsumerId, HeldTask, JobId, OpeningId, Origin, OwnerId, PlanHash, ReportName, TaskId,
};
use crate::protocol::job::{JobSpec, JobState, JobStatus};
use crate::protocol::path::printable;
use crate::protocol::workload::Workload;

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
        /// Which opening of it: one that was begun since is another job.
        opening: OpeningId,
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
        /// Of which openings, as [`Reply::Dead`] had them: it says nothing about a later job of that name.
        openings: Vec<OpeningId>,
    },
    /// Forget dead tasks: they stay failed.
    Forget {
        /// Which, as in [`Request::Dead`].
        filter: Option<String>,
        /// Of which openings, as [`Reply::Dead`] had them.
        openings: Vec<OpeningId>,
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
    /// A process of an owner has its name: for others that have it, too. It has no [`Reply`].
    Claim {
        /// The process.
        session: Session,
        /// The id of the session whose claim it has just heard, if this is said because of that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<String>,
    },
}

/// A job as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// Its id.
    pub job: JobId,
    /// What is to be done.
    pub spec: JobSpec,
    /// Where it comes from, if it is over files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Whether another id will do: if the latest job from there with the same spec and report has not ended, the
    /// owner goes on with that one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume: bool,
    /// What its report is called where its owner writes one; the job's id if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportName>,
    /// The opening of this job whose plan is not that of the tree as it is now. If it is still the job's, and came
    /// from the same origin, the owner opens the job anew in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<OpeningId>,
}

impl JobRequest {
    /// The job of this id and no other, with a report of the same name.
    pub fn new(job: JobId, spec: JobSpec) -> Self {
        Self { job, spec, origin: None, resume: false, report: None, instead_of: None }
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
        /// Whose they are.
        owner: OwnerId,
        /// The latest, oldest first.
        tasks: Vec<DeadTask>,
        /// How many more there are.
        more: u64,
        /// The openings of all of them.
        openings: Vec<OpeningId>,
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
        /// Which process of that name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Session>,
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
    /// Which opening of it.
    pub opening: OpeningId,
    /// The owner.
    pub owner: OwnerId,
    /// Tasks planned without a gap; the next to plan has this number.
    pub planned: u64,
    /// The hash of these.
    pub after: PlanHash,
    /// The number of tasks, if the plan is complete.
    #[serde(rename = "sealed")]
    pub plan_end: Option<u64>,
    /// This job, if it has ended; else the latest one before it with the same spec and report that has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

impl Opened {
    /// Whether this is a job that has ended before, and its report is all that there is to be had.
    pub fn has_ended(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.job == self.job)
    }

    /// Whether it goes on with a plan that is complete: whoever opened it need not plan.
    pub fn has_whole_plan(&self) -> bool {
        self.plan_end.is_some_and(|plan_end| plan_end <= self.planned) && !self.has_ended()
    }
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

/// A consumer's heartbeat: each heartbeat, when it starts, and when it stops.
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
    pub holds: Vec<HeldTask>,
    /// Milliseconds until the next sign.
    pub heartbeat_millis: u64,
    /// It stops: do not wait for it.
    pub leaving: bool,
    /// What its roots lie on, as far as it can tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<RootState>,
}

/// What a root of a consumer lies on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RootState {
    /// The root.
    pub name: String,
    /// The type of its file system, such as `ext4` or `nfs4`.
    pub system: String,
    /// What is mounted there, such as `/dev/sda1` or `SERVER:/EXPORT`.
    pub source: String,
    /// Whether it has no entry at all.
    #[serde(rename = "empty")]
    pub is_empty: bool,
}

impl fmt::Display for RootState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, source, is_empty, .. } = self;
        let empty = if *is_empty { "an empty directory " } else { "" };
        write!(f, "{empty}on {} ({})", printable(system), printable(source))
    }
}
