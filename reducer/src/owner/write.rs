//! The writes that a step of the engine wants committed.

use shared::protocol::id::{ConsumerId, JobId, OpeningId, PlanHash, RunId, TaskId};
use shared::protocol::message::{DeadLetter, JobRequest, Outcome, Part, Planned};
use shared::protocol::payload::Payload;

use super::lease::Holder;
use crate::fold::Kept;

/// An answer to a part of a task.
#[derive(Debug)]
pub struct Left {
    /// Items that are still open have no result.
    pub answer: Payload,
    /// The run whose parts belong to the answer.
    pub run: Option<RunId>,
    /// The consumer that gave it, if another one is asked for the open items. If not, the same one
    /// goes on with them.
    pub by: Option<ConsumerId>,
    /// Whether another one is asked.
    pub to_another: bool,
    /// Items without a result, whose parts are removed.
    pub without_parts: Vec<u32>,
}

/// One write. All writes of a turn are one transaction.
#[derive(Debug)]
pub enum Write {
    Open {
        request: Box<JobRequest>,
        opening: OpeningId,
    },
    /// The job's current opening is detached from its id. Another one is about to take its place.
    Replaced {
        job: JobId,
    },
    Task {
        job: JobId,
        planned: Box<Planned>,
        /// Hash of the plan up to and including this task.
        plan: PlanHash,
        /// What the task takes over from an earlier opening.
        kept: Option<Box<Kept>>,
    },
    /// Some items of an answer. Only the rest is still wanted.
    Kept {
        task: TaskId,
        first: Box<Left>,
    },
    /// One part of an answer that comes in several messages.
    Part {
        part: Box<Part>,
    },
    /// A consumer holds a lease on a task, which is in no queue.
    Leased {
        task: TaskId,
        attempt: u32,
        holder: Holder,
    },
    /// A task's lease has ended, because the task is sent again.
    Lapsed {
        task: TaskId,
    },
    /// The one outcome of a task. The parts of its run are kept, and other parts are removed.
    Outcome {
        outcome: Box<Outcome>,
        /// Items without a result, whose parts are removed as well.
        without_parts: Vec<u32>,
        /// If it failed because of a task that it needs: the one that failed first.
        cause: Option<u64>,
    },
    /// A task that needs others is sent.
    Sent {
        task: TaskId,
    },
    /// An amount to add to the sum of a label.
    Sum {
        label: String,
        amount: i64,
    },
    DeadLetter {
        dead_letter: DeadLetter,
    },
    Replayed {
        task: TaskId,
    },
    /// A dead task is dropped from the list.
    Forgotten {
        task: TaskId,
    },
    /// The contents of these tasks, of one run, leave: all were taken, and one before them is open.
    Emptied {
        job: JobId,
        /// The first, and the one after the last.
        run: (u64, u64),
    },
    /// The rows of these tasks leave: their results were taken.
    Released {
        job: JobId,
        from: u64,
        below: u64,
    },
    /// An update of the job's workers.
    Update {
        job: JobId,
        version: u64,
        /// Whether all before it leave.
        replaces: bool,
        body: Payload,
    },
    Cancelled {
        job: JobId,
    },
    /// Remove everything of this opening of a job, and of those that it follows, in small steps.
    JobForgotten {
        opening: OpeningId,
    },
    Finished {
        job: JobId,
        /// SHA-256 of its report, lower-case hexadecimal.
        sha256: String,
    },
}
