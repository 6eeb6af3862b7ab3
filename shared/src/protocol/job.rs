//! A job's specification, state, counts and status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::protocol::id::{Class, JobId, OpeningId, OwnerId, PlanHash};
use crate::protocol::workload::{Contract, Workload, call, digest, steps, words};

/// The specification of a job. Two requests with the same id and the same spec are one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "workload", rename_all = "snake_case")]
pub enum JobSpec {
    /// The calls of a pool.
    Call(call::Spec),
    Digest(digest::Spec),
    /// The steps of one rider.
    Steps(steps::Spec),
    Words(words::Spec),
}

impl JobSpec {
    pub fn contract(&self) -> &dyn Contract {
        match self {
            Self::Call(spec) => spec,
            Self::Digest(spec) => spec,
            Self::Steps(spec) => spec,
            Self::Words(spec) => spec,
        }
    }

    pub fn workload(&self) -> Workload {
        self.contract().workload()
    }

    /// The classes that may do the job's tasks, each once.
    pub fn classes(&self) -> Vec<Class> {
        self.contract().classes()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// The plan is not complete yet.
    Planning,
    /// The plan is complete, and tasks are open.
    Running,
    /// Every task is done or failed.
    Finished,
    /// A user cancelled the job. Tasks that were not done by then stay undone.
    Cancelled,
}

impl JobState {
    /// The state of a job by three facts: its plan is complete, its report is written, it was
    /// cancelled.
    pub const fn of(is_planned: bool, is_finished: bool, is_cancelled: bool) -> Self {
        match (is_cancelled, is_finished, is_planned) {
            (true, _, _) => Self::Cancelled,
            (false, true, _) => Self::Finished,
            (false, false, true) => Self::Running,
            (false, false, false) => Self::Planning,
        }
    }

    /// The name in messages, tables and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

    pub const fn is_over(self) -> bool {
        match self {
            Self::Planning | Self::Running => false,
            Self::Finished | Self::Cancelled => true,
        }
    }
}

/// The exact counts of a job: its receipt when it is finished, its progress before.
///
/// Always: `tasks_done` + `tasks_failed` + `tasks_cancelled` + `tasks_open` = `tasks_planned`. Once
/// the job is finished or cancelled: `items_done` + `items_failed` + `items_cancelled` =
/// `items_planned`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Tasks that the owner has committed.
    pub tasks_planned: u64,
    /// Tasks with an answer, even if single items of them failed.
    pub tasks_done: u64,
    /// Tasks given up after their last attempt.
    pub tasks_failed: u64,
    /// Tasks that had no outcome when the job was cancelled.
    #[serde(default, skip_serializing_if = "is_none")]
    pub tasks_cancelled: u64,
    /// Tasks without an outcome while the job is neither finished nor cancelled.
    pub tasks_open: u64,
    /// Items planned, including those that failed in planning.
    pub items_planned: u64,
    /// Items with a result.
    pub items_done: u64,
    /// Items without a result: they failed in planning, failed alone, or belong to a failed task.
    pub items_failed: u64,
    /// Items of cancelled tasks.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_cancelled: u64,
    /// Entries that the plan left out, by kind (`fifo`, `socket`, `symlink`, `own file`, ...).
    pub items_skipped: BTreeMap<String, u64>,
    /// Items whose results were taken over from an earlier opening. They are included in
    /// `items_done`.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_kept: u64,
    /// Items whose file had the planned size but another modification time: copies made without
    /// preserving times.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_untimed: u64,
    /// Items whose file had changed between planning and reading; their results are of the content
    /// at reading. Known only where one process plans and reads, and the plan records times.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_changed: u64,
    /// Bytes of all planned items, by their sizes at planning.
    pub bytes_planned: u64,
    /// Bytes read for items with a result.
    pub bytes_done: u64,
    /// Sums over the items with a result, by name, for workloads that have sums.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<String, u64>,
    /// Repeated outcomes of a task that already had one. They were dropped.
    pub duplicates: u64,
    /// Duplicates whose answer differs from the first one. Any is an alarm.
    pub conflicts: u64,
    /// First outcomes of tasks that the broker had delivered more than once.
    pub redeliveries: u64,
    /// Tasks that the owner sent again.
    pub resends: u64,
    /// Messages of this job that came back dead.
    pub dead_letters: u64,
    /// Messages of this job that a policy of the broker removed from their queues, and that the
    /// owner sent again.
    #[serde(default, skip_serializing_if = "is_none")]
    pub expired: u64,
    /// Ignored messages that named this job, by reason: they belong to another opening of it, or to
    /// a plan that the owner's store does not have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// Task messages sent, resends included.
    #[serde(default, skip_serializing_if = "is_none")]
    pub sends: u64,
    /// Task messages that were answered or came back. If `sends` is larger at the end, consumers
    /// may still work on the rest.
    #[serde(default, skip_serializing_if = "is_none")]
    pub returns: u64,
    /// Failed tasks that a user replayed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub replays: u64,
}

impl Counts {
    /// Whether the counts are consistent: tasks add up to the tasks planned, items to no more than
    /// the items planned.
    pub fn adds_up(&self) -> bool {
        let sum = |counts: &[u64]| counts.iter().copied().map(u128::from).sum::<u128>();
        let tasks = sum(&[self.tasks_done, self.tasks_failed, self.tasks_cancelled, self.tasks_open]);
        let items = sum(&[self.items_done, self.items_failed, self.items_cancelled]);
        tasks == self.tasks_planned.into() && items <= self.items_planned.into()
    }
}

/// Counts that are zero for most jobs are left out of the JSON.
fn is_none(count: &u64) -> bool {
    *count == 0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Version of this JSON object.
    pub schema: u32,
    pub job: JobId,
    pub opening: OpeningId,
    pub owner: OwnerId,
    pub workload: Workload,
    pub state: JobState,
    pub counts: Counts,
    /// Live consumers that serve a class of the job.
    pub consumers: u32,
    /// Classes that open tasks wait for and that no live consumer serves.
    pub unserved: Vec<String>,
    /// Another reason why the job waits that a person can remove: a sentence for people, without
    /// its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Seconds from the opening of the job to now, or to its end.
    pub seconds: f64,
    /// Hash of the whole plan, once the plan is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanHash>,
    /// SHA-256 of the report's bytes, once the job is finished.
    pub report_sha256: Option<String>,
    /// For workloads with a sum: its subject (`caravan NAME`) and its value.
    pub sum: Option<(String, i64)>,
}
