//! What the ledger finds out about an event before the engine sees it.

use bytes::Bytes;
use shared::id::{ConsumerId, OpeningId, PlanHash, TaskId};
use shared::message::Reason;

use crate::fold::{Kept, Tally};

/// A task of a job's plan, as the ledger finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its items.
    pub items: u32,
    /// The plan up to it. A message that names another is about another task of this number.
    pub plan: PlanHash,
    /// What is known of its answer already: then only the rest is asked for.
    pub kept: Option<FirstAnswer>,
}

/// A part of an answer, from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The answer, with its holes.
    pub answer: Bytes,
    /// Attempts up to this one were for the whole task; 0 if it is taken over from an opening before.
    pub attempt: u32,
    /// Whether parts belong to it.
    pub has_parts: bool,
    /// The consumer that gave it, which is not asked for the rest.
    pub by: Option<ConsumerId>,
}

/// What a task of a new plan takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The answer as far as it holds.
    pub kept: Kept,
    /// What it adds up to, if it is the whole answer.
    pub whole: Option<Tally>,
}

/// What the ledger found out about an outcome before the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The task is unknown, or failed as a whole and has no answer to read.
    None,
    /// The first answer, read.
    First(Result<Tally, Reason>),
    /// Another answer to an answered task.
    Repeat {
        /// Whether it is the same answer.
        same: bool,
    },
}

/// The outcome of a task, as the ledger finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Why there is no answer, if there is none.
    pub failed: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Where it was tried last.
    pub host: String,
    /// Whether it failed and is among the dead tasks: one that was dropped from them stays failed.
    pub is_dead: bool,
}

/// A dead task, as the ledger finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// Which.
    pub task: TaskId,
    /// Of which opening of its job.
    pub opening: OpeningId,
    /// Its items.
    pub items: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it failed for the last time; else a message of it came back.
    pub is_failed: bool,
}
