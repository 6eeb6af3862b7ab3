//! What the ledger finds out about an event before the engine sees it.

use bytes::Bytes;
use shared::protocol::id::{ConsumerId, OpeningId, PlanHash, TaskId};
use shared::protocol::reason::Reason;

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

impl Known {
    /// Whether a message that names this plan is about this task, or about the rest of it.
    pub fn is_about(&self, plan: &PlanHash) -> bool {
        self.plan == *plan || self.is_rest(plan)
    }

    /// Whether it is about what is still asked for of a task of which a part is known.
    pub fn is_rest(&self, plan: &PlanHash) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.rest == *plan)
    }
}

/// A part of an answer, from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The answer, with its holes.
    pub answer: Bytes,
    /// The items that are still asked for.
    pub open: Vec<u32>,
    /// Stands for these: an answer to others, of a store of before, has as many results and is of other files.
    pub rest: PlanHash,
    /// Whether these have been left to another consumer already: they are no second time. Not so if all of it is taken
    /// over from an opening before.
    pub is_left: bool,
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
