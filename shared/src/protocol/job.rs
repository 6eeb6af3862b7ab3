//! What a job is, and how it stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::protocol::id::{JobId, OpeningId, OwnerId, PlanHash};
use crate::protocol::workload::{Workload, digest, steps, words};

/// What one user asked for. Two requests with the same id and the same spec are one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "workload", rename_all = "snake_case")]
pub enum JobSpec {
    /// Digests of files.
    Digest(digest::Spec),
    /// A rider's whips.
    Steps(steps::Spec),
    /// Words of files.
    Words(words::Spec),
}

impl JobSpec {
    /// Its workload.
    pub const fn workload(&self) -> Workload {
        match self {
            Self::Digest(_) => Workload::Digest,
            Self::Steps(_) => Workload::Steps,
            Self::Words(_) => Workload::Words,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Its plan is not complete yet.
    Planning,
    /// Its plan is complete, and tasks are open.
    Running,
    /// Every task is done or failed.
    Finished,
    /// Someone has cancelled it: what was not done by then will not be.
    Cancelled,
}

impl JobState {
    /// Of a job by what has happened to it: its plan is complete, its report is written, it was cancelled.
    pub const fn of(is_sealed: bool, is_finished: bool, is_cancelled: bool) -> Self {
        match (is_cancelled, is_finished, is_sealed) {
            (true, _, _) => Self::Cancelled,
            (false, true, _) => Self::Finished,
            (false, false, true) => Self::Running,
            (false, false, false) => Self::Planning,
        }
    }

    /// Its name in messages, tables and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will be done.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Planning | Self::Running => false,
            Self::Finished | Self::Cancelled => true,
        }
    }
}

/// The exact account of a job: the receipt when the job is finished, its progress before.
///
/// Always: `tasks_done` + `tasks_failed` + `tasks_cancelled` + `tasks_open` = `tasks_planned`, and once
/// finished or cancelled `items_done` + `items_failed` + `items_cancelled` = `items_planned`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Tasks that the owner has committed.
    pub tasks_planned: u64,
    /// Tasks with an answer, whatever became of single items.
    pub tasks_done: u64,
    /// Tasks given up after their last attempt.
    pub tasks_failed: u64,
    /// Tasks that had no outcome when the job was cancelled.
    #[serde(default, skip_serializing_if = "is_none")]
    pub tasks_cancelled: u64,
    /// Tasks without an outcome, of a job that goes on.
    pub tasks_open: u64,
    /// Items planned, those that failed in planning included.
    pub items_planned: u64,
    /// Items with a result.
    pub items_done: u64,
    /// Items without one: failed in planning, failed alone, or part of a failed task.
    pub items_failed: u64,
    /// Items of cancelled tasks.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_cancelled: u64,
    /// What the plan left out, by kind (`fifo`, `socket`, `symlink`, `own file`, ...).
    pub items_skipped: BTreeMap<String, u64>,
    /// Items whose results were taken over from an opening before: these are among those that are done.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_kept: u64,
    /// Items whose file had another modification time than planned, and the same size: copies made without times.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_untimed: u64,
    /// Items whose file had changed when it was read, where one process plans and reads: their results are of what it
    /// was then. Known where plans tell times.
    #[serde(default, skip_serializing_if = "is_none")]
    pub items_changed: u64,
    /// Bytes that the planned items hold, as the plan saw them.
    pub bytes_planned: u64,
    /// Bytes read for items with a result.
    pub bytes_done: u64,
    /// What the items with a result add up to, for workloads that add up: by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<String, u64>,
    /// Outcomes that came again and were dropped.
    pub duplicates: u64,
    /// Duplicates whose answer was another one: an alarm.
    pub conflicts: u64,
    /// First outcomes of tasks that the broker had delivered more than once.
    pub redeliveries: u64,
    /// Tasks that the owner sent again.
    pub resends: u64,
    /// Messages of this job that came back dead.
    pub dead_letters: u64,
    /// Messages of this job that a policy of the broker took out of their queues, and that were sent again.
    #[serde(default, skip_serializing_if = "is_none")]
    pub expired: u64,
    /// Messages that named this job and were not acted on, by why: they are of another opening of it, or of a plan
    /// that its store does not have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// How often tasks were sent.
    #[serde(default, skip_serializing_if = "is_none")]
    pub sends: u64,
    /// Answers and returns of what was sent: what is missing at the end may still be worked on.
    #[serde(default, skip_serializing_if = "is_none")]
    pub returns: u64,
    /// Failed tasks that someone has put back to work.
    #[serde(default, skip_serializing_if = "is_none")]
    pub replays: u64,
}

impl Counts {
    /// Whether it can be an account: what became of tasks and items is what was planned.
    pub fn adds_up(&self) -> bool {
        let sum = |counts: &[u64]| counts.iter().copied().map(u128::from).sum::<u128>();
        let tasks = sum(&[self.tasks_done, self.tasks_failed, self.tasks_cancelled, self.tasks_open]);
        let items = sum(&[self.items_done, self.items_failed, self.items_cancelled]);
        tasks == self.tasks_planned.into() && items <= self.items_planned.into()
    }
}

/// What most jobs have none of is not spelt out.
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// How one job stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The version of this object.
    pub schema: u32,
    /// Its id.
    pub job: JobId,
    /// Which opening of it.
    pub opening: OpeningId,
    /// Who owns it.
    pub owner: OwnerId,
    /// Its workload.
    pub workload: Workload,
    /// How far it is.
    pub state: JobState,
    /// Its account.
    pub counts: Counts,
    /// Consumers that are alive and serve its class.
    pub consumers: u32,
    /// The classes that its open tasks wait for and that no live consumer serves.
    pub unserved: Vec<String>,
    /// What else it waits for that someone can end: a sentence for people, without its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Seconds from its opening to now, or to its end.
    pub seconds: f64,
    /// The hash of the whole plan, once it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanHash>,
    /// SHA-256 of the report's bytes, once finished.
    pub report_sha256: Option<String>,
    /// For workloads with a sum: what it is over (`caravan NAME`) and its value.
    pub sum: Option<(String, i64)>,
}
