//! What the ledger looks up in the store for an event, before the engine sees it.

use shared::protocol::id::{Class, ConsumerId, JobId, OpeningId, PlanHash, TaskId};
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;

use crate::fold::{Kept, Tally};

/// A planned task, as the ledger finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub items: u32,
    /// Hash of the plan up to this task. A message with another hash is about a different task of
    /// the same number.
    pub plan: PlanHash,
    /// The part of its answer that is already known. Then only the rest is asked for.
    pub kept: Option<FirstAnswer>,
    /// The hash that stood for the rest of a task that was answered in two parts.
    pub rest_done: Option<PlanHash>,
}

impl Known {
    /// A task of a derived plan: one item, all of it open, and no chain of hashes.
    pub fn derived() -> Self {
        Self { items: 1, plan: PlanHash::start(), kept: None, rest_done: None }
    }

    /// Whether a message with this plan hash is about this task, or about the rest of it.
    pub fn is_about(&self, plan: &PlanHash) -> bool {
        self.plan == *plan || self.is_rest(plan) || self.rest_done.as_ref() == Some(plan)
    }

    /// Whether a message with this hash is about the rest of this partly answered task.
    pub fn is_rest(&self, plan: &PlanHash) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.rest == *plan)
    }
}

/// The part of an answer that is already known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The answer; items that are still open have no result.
    pub answer: Payload,
    pub open: Vec<u32>,
    /// Plan hash that stands for exactly these open items. It tells apart an answer to other items,
    /// as from an older copy of the store, which could have the same number of results.
    pub rest: PlanHash,
    /// Whether the open items were already left to another consumer, which happens once only.
    /// `false` if all of the answer was taken over from an earlier opening.
    pub is_left: bool,
    pub has_parts: bool,
    /// The consumer that gave it. It is not asked for the rest.
    pub by: Option<ConsumerId>,
}

/// What a task of a new plan takes over from an earlier opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The answer for the items that have not changed.
    pub kept: Kept,
    /// The tally of the answer if it covers all items.
    pub whole: Option<Tally>,
}

/// How an open task that needs others stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub class: Class,
    pub dependant: Dependant,
    /// Number of its needs that are not done.
    pub waits: u64,
    /// A need that has failed, if one has.
    pub cause: Option<Cause>,
}

/// An open task that needs others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependant {
    pub number: u64,
    pub items: u32,
    /// Hash of the plan up to it.
    pub plan: PlanHash,
}

/// What a task fails of that needs a failed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The task that failed first.
    pub task: u64,
    /// Why the needed task failed.
    pub reason: String,
    /// Whether the needed task is the one that failed first. If not, its reason names that one.
    pub is_own: bool,
}

/// Another job whose report has, or could get, the same name as that of a job that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namesake {
    pub job: JobId,
    /// Whether its id is the name; else its report has the other job's id as its name.
    pub is_its_id: bool,
}

/// What an outcome is to its task, as the ledger finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The task is unknown, or it failed as a whole and has no answer to read.
    None,
    /// The first answer: its tally, or why it cannot be read.
    First(Result<Tally, Reason>),
    Repeat {
        same: bool,
    },
}

/// The outcome of a task, as the ledger finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Why the task failed; `None` if it is done.
    pub failed: Option<String>,
    /// Number of its last attempt.
    pub attempts: u32,
    pub host: String,
    /// Whether it failed and is listed as dead. A task dropped from that list stays failed.
    pub is_dead: bool,
}

/// A dead task, as the ledger finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    pub task: TaskId,
    /// `None` for a task of a derived plan, which has one class.
    pub class: Option<Class>,
    /// Whether it needs other tasks.
    pub has_needs: bool,
    pub opening: OpeningId,
    pub items: u32,
    /// Number of its last attempt.
    pub attempts: u32,
    /// Whether it failed for the last time. If not, a message of it was dead-lettered.
    pub is_failed: bool,
}
