//! What a step asks to be committed.

use bytes::Bytes;
use shared::protocol::id::{ConsumerId, JobId, OpeningId, PlanHash, RunId, TaskId};
use shared::protocol::message::{DeadLetter, JobRequest, Outcome, Part, Planned};

use super::lease::Holder;
use crate::fold::Kept;

/// What is to be committed. All writes of a turn are one transaction.
#[derive(Debug)]
pub enum Write {
    /// A new job.
    Open {
        /// The job.
        request: Box<JobRequest>,
        /// Its opening.
        opening: OpeningId,
    },
    /// The job of this id has no opening: another one is about to take its place.
    Replaced {
        /// The job.
        job: JobId,
    },
    /// A task of a plan.
    Task {
        /// The job.
        job: JobId,
        /// The task.
        planned: Box<Planned>,
        /// The plan up to it.
        plan: PlanHash,
        /// What it takes over.
        kept: Option<Box<Kept>>,
    },
    /// A part of an answer: another consumer is asked for the rest.
    Kept {
        /// The task.
        task: TaskId,
        /// The answer, with its holes.
        answer: Bytes,
        /// Whose parts belong to it.
        run: Option<RunId>,
        /// Who gave it.
        by: Option<ConsumerId>,
    },
    /// A part of an answer.
    Part {
        /// The part.
        part: Box<Part>,
    },
    /// A task is in no queue: a consumer answers for it.
    Leased {
        /// Which task.
        task: TaskId,
        /// Which try.
        attempt: u32,
        /// By whom.
        holder: Holder,
    },
    /// A task is sent again: no consumer answers for it.
    Lapsed {
        /// Which task.
        task: TaskId,
    },
    /// The one outcome of a task. Of its parts those of its run stay, and no others.
    Outcome {
        /// The outcome.
        outcome: Box<Outcome>,
    },
    /// More for a label's sum.
    Sum {
        /// The label.
        label: String,
        /// How much.
        amount: i64,
    },
    /// A dead letter.
    DeadLetter {
        /// What is known of it.
        dead_letter: DeadLetter,
    },
    /// A failed task is open again.
    Replayed {
        /// Which.
        task: TaskId,
    },
    /// A dead task is listed no more.
    Forgotten {
        /// Which.
        task: TaskId,
    },
    /// A job ends as it stands.
    Cancelled {
        /// The job.
        job: JobId,
    },
    /// The end of a job.
    Finished {
        /// The job.
        job: JobId,
        /// SHA-256 of its report.
        sha256: String,
    },
}
