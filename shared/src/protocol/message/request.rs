//! Messages on the control exchange: requests to owners, their replies, and consumers' heartbeats.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DeadDetail, DeadTask, Session, Updates};
use crate::protocol::id::{
    Class, ConsumerId, HeldTask, JobId, OpeningId, Origin, OwnerId, PlanHash, ReportName, TaskId,
};
use crate::protocol::job::{JobSpec, JobState, JobStatus};
use crate::protocol::path::printable;
use crate::protocol::workload::Workload;

/// A request to an owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Commit this job, or continue it if the owner has it with the same spec.
    Open(Box<JobRequest>),
    Status {
        job: JobId,
    },
    Jobs,
    /// Cancel this job; the reply is its status.
    Cancel {
        job: JobId,
        /// The opening to cancel. A job of that name that was begun later is another job.
        opening: OpeningId,
    },
    /// Remove this job, which has ended, and its results; the reply is its last status.
    ForgetJob {
        job: JobId,
        /// The opening to forget.
        opening: OpeningId,
    },
    /// Ask why a job or a task is in its state.
    Explain {
        job: JobId,
        /// Number of a task; `None` for the whole job.
        number: Option<u64>,
    },
    /// List dead tasks.
    Dead {
        /// Only tasks of this job, this task, or tasks with this text in their reason; `None` for
        /// all.
        filter: Option<String>,
    },
    DeadTask {
        task: TaskId,
    },
    /// Run dead tasks again.
    Replay {
        /// As in [`Request::Dead`].
        filter: Option<String>,
        /// The openings from [`Reply::Dead`], so that a later job of the same name is not affected.
        openings: Vec<OpeningId>,
    },
    /// Remove dead tasks from the list; they stay failed.
    Forget {
        /// As in [`Request::Dead`].
        filter: Option<String>,
        /// The openings from [`Reply::Dead`].
        openings: Vec<OpeningId>,
    },
    /// Read a report's bytes from a place on, once the job is finished.
    Report {
        job: JobId,
        /// The opening to report, so that no pieces of two reports are put together.
        opening: OpeningId,
        #[serde(default, skip_serializing_if = "ReportOf::is_results")]
        of: ReportOf,
        /// The default for the start, then [`ReportChunk::next`] of the previous chunk.
        from: ReportPlace,
    },
    /// Fetch the updates of a job's workers.
    Updates {
        job: JobId,
        opening: OpeningId,
        /// The version that the asker has; `None` if it has not begun: then it also gets what a
        /// worker begins with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Ask for the owner's id.
    Ping,
    /// An owner's process announces its name to other processes that may have the same one. There
    /// is no [`Reply`].
    Claim {
        session: Session,
        /// The session whose claim this one answers, if it answers one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<String>,
    },
}

/// A request for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    pub job: JobId,
    pub spec: JobSpec,
    /// Where the request comes from, if it is about files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Whether another job may be continued instead: if the latest job from this origin with the
    /// same spec and report has not ended, the owner continues that one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume: bool,
    /// Name of the report in the owner's report directory; the job's id if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportName>,
    /// Of jobs whose tasks wait for the same queue, those with the highest priority go first; jobs of
    /// one priority take turns.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// An opening of this job whose plan no longer matches the tree. If it is still the job's
    /// current opening and came from the same origin, the owner replaces it with a new opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<OpeningId>,
}

fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

impl JobRequest {
    /// Asks for the job of exactly this id, with a report of the same name.
    pub fn new(job: JobId, spec: JobSpec) -> Self {
        Self { job, spec, origin: None, resume: false, report: None, priority: 0, instead_of: None }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    Opened(Opened),
    /// Also answers [`Request::Cancel`].
    Status(Box<JobStatus>),
    Jobs {
        /// Oldest first.
        jobs: Vec<JobStatus>,
    },
    Explained {
        /// One sentence, for people.
        text: String,
    },
    Dead {
        owner: OwnerId,
        /// The latest dead tasks, oldest first.
        tasks: Vec<DeadTask>,
        /// Number of further dead tasks.
        more: u64,
        /// Openings of all dead tasks, including those not in `tasks`.
        openings: Vec<OpeningId>,
    },
    DeadTask(Box<DeadDetail>),
    Replayed {
        tasks: u64,
        /// Tasks that stay dead because their job is cancelled or its report is being written.
        kept: u64,
    },
    Forgotten {
        /// Tasks removed from the list.
        tasks: u64,
    },
    Report(ReportChunk),
    Updates(Updates),
    /// The version of an update that the owner has committed.
    Updated {
        version: u64,
    },
    Pong {
        owner: OwnerId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Session>,
    },
    /// The owner cannot do what was asked.
    Refused {
        /// In plain English, for display.
        reason: String,
    },
    /// This owner does not have the job.
    UnknownJob,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opened {
    pub job: JobId,
    pub opening: OpeningId,
    pub owner: OwnerId,
    /// Tasks planned without a gap, so the number of the next task to plan.
    pub planned: u64,
    /// Hash of the plan up to `planned`.
    pub after: PlanHash,
    /// Number of tasks, if the plan is complete.
    pub plan_end: Option<u64>,
    /// This job, if it has ended; otherwise the latest earlier job that has ended, with the same
    /// spec and report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

impl Opened {
    /// Whether this job had already ended, so only its report is available.
    pub fn has_ended(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.job == self.job)
    }

    /// Whether the job continues with a complete plan, so the submitter need not plan.
    pub fn has_whole_plan(&self) -> bool {
        self.plan_end.is_some_and(|plan_end| plan_end <= self.planned) && !self.has_ended()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub job: JobId,
    /// Either finished or cancelled.
    pub state: JobState,
    /// Seconds since 1970.
    pub at: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportOf {
    /// The results, as the workload writes them.
    #[default]
    Results,
    /// The failed items and their reasons, one JSON line for each.
    Failures,
}

impl ReportOf {
    fn is_results(&self) -> bool {
        *self == Self::Results
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportPlace {
    /// Number of a task.
    pub task: u64,
    /// Byte offset in that task's part of the report.
    pub byte: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportChunk {
    /// Where the next chunk starts.
    pub next: ReportPlace,
    /// Whether the report ends here.
    pub last: bool,
    pub text_base64: String,
}

/// A consumer's heartbeat. The consumer also sends one when it starts and when it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    pub consumer: ConsumerId,
    pub host: String,
    pub version: String,
    /// Its open lanes.
    pub lanes: Vec<LaneState>,
    /// Tasks that run in the consumer or wait in its prefetch.
    pub holds: Vec<HeldTask>,
    /// Milliseconds until the next heartbeat.
    pub heartbeat_millis: u64,
    /// Whether the consumer is stopping and sends no further heartbeat.
    pub leaving: bool,
    /// File systems of the consumer's roots, as far as it knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<RootState>,
    /// Announced jobs that it should serve and cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
}

/// Why a consumer does not serve an announced job. It tries again with the next announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub opening: OpeningId,
    /// In plain English, for display: at most [`TROUBLE_CHARS`](crate::protocol::limits::TROUBLE_CHARS)
    /// characters.
    pub reason: String,
}

impl Presence {
    /// Whether one of its lanes takes tasks of this class.
    pub fn serves(&self, workload: Workload, class: &Class) -> bool {
        self.lanes.iter().any(|lane| lane.takes(workload, class))
    }

    /// The classes that its lanes take tasks of, each with how many tasks they do at a time.
    pub fn classes(&self) -> BTreeMap<(Workload, Class), u32> {
        let mut classes: BTreeMap<_, u32> = BTreeMap::new();
        for lane in &self.lanes {
            let slots = classes.entry((lane.workload, lane.class.clone())).or_default();
            *slots = slots.saturating_add(lane.slots);
        }
        classes
    }
}

/// A lane of a consumer: its subscription to the tasks of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    pub workload: Workload,
    pub class: Class,
    /// Tasks that the lane does at a time. Lanes that share the consumer's cores may do fewer.
    pub slots: u32,
    /// Slots in which a task runs now.
    pub busy: u32,
}

impl LaneState {
    fn takes(&self, workload: Workload, class: &Class) -> bool {
        self.workload == workload && self.class == *class
    }
}

/// The file system of one root of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RootState {
    pub name: String,
    /// Type of the file system, such as `ext4` or `nfs4`.
    pub system: String,
    /// Source of the mount, such as `/dev/sda1` or `SERVER:/EXPORT`.
    pub source: String,
    /// Whether the root's directory has no entry.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_a_class_are_those_of_its_lanes() {
        let presence = r#"{"consumer":"c","host":"h","version":"0","holds":[],"heartbeat_millis":1,"leaving":false,
            "lanes":[{"workload":"digest","class":"a","slots":4,"busy":1},{"workload":"digest","class":"b","slots":2,
            "busy":0},{"workload":"digest","class":"a","slots":4294967295,"busy":0,"device":"of a later version"}]}"#;
        let presence: Presence = serde_json::from_str(presence).expect("a presence");
        let class = |name: &str| Class::from_name(name.as_bytes());
        let slots_of = |workload, class| presence.classes().get(&(workload, class)).copied().unwrap_or(0);
        assert_eq!(slots_of(Workload::Digest, class("b")), 2);
        assert_eq!(slots_of(Workload::Digest, class("a")), u32::MAX);
        assert_eq!(slots_of(Workload::Words, class("a")), 0);
        assert!(presence.serves(Workload::Digest, &class("a")) && !presence.serves(Workload::Words, &class("a")));
    }
}
