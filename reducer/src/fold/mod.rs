//! Folds: how the answers of each workload are summed, and how a report shows them.
//!
//! All functions are pure. A fold gives the same result in any order of outcomes: tallies are added
//! up, and records are rendered in the order of task numbers.
//!
//! # Layout
//! - [`Fold`]: what the owner, its store and reports ask of a workload; [`of`] finds it by a job's
//!   spec
//! - `call`, `digest`, `steps`, `words`: the fold of each workload
//! - `digests`: what stays of an answer that has left the store
//! - `files`, `kept`: what the folds of workloads over files share

mod call;
mod digest;
mod digests;
mod files;
mod kept;
mod steps;
mod words;

use std::fmt::Debug;

use shared::protocol::id::Class;
use shared::protocol::job::{Counts, JobSpec};
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::words as contract;

pub use digests::Digest;
pub use kept::{Before, Kept, KeptParts};
pub use words::so_far as words_so_far;

/// The fold of one job. The types of specs implement it.
pub trait Fold: Debug {
    /// Checks and tallies an answer to a task of `items` items. `has_parts` says whether the answer
    /// came in parts.
    fn tally(&self, items: u32, answer: &Payload, has_parts: bool) -> Result<Tally, Reason>;

    /// Checks that a part of an answer can be read.
    fn check_part(&self, part: &Payload) -> Result<(), Reason> {
        let _ = part;
        Ok(())
    }

    /// Whether two answers to the same task agree.
    fn is_same(&self, items: u32, first: &Payload, second: &Payload) -> bool;

    /// What stays of an answer that its caller has taken, to compare a repeat with. Answers that
    /// [`Fold::is_same`] takes for the same must have digests that agree.
    fn digest(&self, answer: &Payload) -> Digest {
        Digest::of(answer)
    }

    /// The body of a task that needs others, made of the body that was planned and of the answers
    /// of these: each with its number, in ascending order. An answer is `None` if the task had
    /// nothing to do. Without a rule of its own a workload only waits for them.
    fn compose(
        &self,
        body: Payload,
        answers: &mut dyn Iterator<Item = (u64, Option<Payload>)>,
    ) -> Result<Payload, Reason> {
        let _ = answers;
        Ok(body)
    }

    /// Whether a caller that streams the job plans the items of a task that was given up again, each
    /// in a task of its own: one of them may be to blame, and must fail alone.
    fn tries_items_alone(&self) -> bool {
        false
    }

    /// The tally of a partial answer that counts before the task has its outcome, because the caller
    /// has it already, and stays if the rest is given up. `None`: nothing counts before.
    fn tally_early(&self, items: u32, partial: &Payload) -> Option<Tally> {
        let _ = (items, partial);
        None
    }

    /// The records of one settled task, in the order of its items. `account` is the job's; where
    /// [`Fold::needs_whole_plan`] says so, it must be that of the complete plan.
    fn records(&self, account: &Counts, task: &Settled) -> Result<Vec<Record>, Reason>;

    /// Whether records depend on the whole plan, so that a report can begin only when the plan is
    /// complete.
    fn needs_whole_plan(&self) -> bool {
        false
    }

    /// The records at the end of a finished job's report.
    fn closing(&self, account: &Counts) -> Vec<Record> {
        let _ = account;
        Vec::new()
    }

    /// The label of the sum that the job's amounts are added to, readable for people.
    fn label(&self) -> Option<String> {
        None
    }

    /// The job's tasks, if they follow from its spec alone.
    fn derived(&self) -> Option<&dyn Derived> {
        None
    }

    /// Results per item, for workloads whose tasks can be done in part.
    fn itemwise(&self) -> Option<&dyn Itemwise> {
        None
    }
}

/// Tasks that follow from a job's spec alone. Their plan is not stored, and their producer sends
/// them; the owner only resends them. Each has one item.
pub trait Derived: Debug {
    /// How many there are.
    fn tasks(&self) -> u64;

    /// Task `number`; `None` beyond the last.
    fn task(&self, number: u64) -> Option<DerivedTask>;
}

/// A task that follows from its job's spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedTask {
    pub class: Class,
    pub body: Payload,
}

/// Results per item: a new opening of a job takes over those of unchanged items, another consumer
/// may be asked for those that one consumer cannot give, and a consumer may give those early that it
/// has.
pub trait Itemwise: Debug {
    /// The names of a task's first and last item, which help to find earlier tasks with the same
    /// items. Without names nothing is taken over.
    fn range(&self, body: &Payload) -> Option<(Vec<u8>, Vec<u8>)> {
        let _ = body;
        None
    }

    /// The answer for a task as far as tasks of earlier openings have it; `None` if none of its
    /// items is unchanged.
    fn keep(&self, body: &Payload, before: &[Before]) -> Option<Kept> {
        let _ = (body, before);
        None
    }

    /// The items of an answer that are still asked for.
    fn open_items(&self, items: u32, answer: &Payload) -> Result<Vec<u32>, Reason>;

    /// The body of a task that asks for these items only.
    fn rest(&self, body: &Payload, items: &[u32]) -> Result<Payload, Reason>;

    /// Merges two answers: one to the whole task, and one to the items that were open in it.
    fn merge(&self, items: u32, first: &Payload, rest: &Payload) -> Result<Payload, Reason>;
}

/// The fold of a job.
pub fn of(spec: &JobSpec) -> &dyn Fold {
    match spec {
        JobSpec::Call(spec) => spec,
        JobSpec::Digest(spec) => spec,
        JobSpec::Steps(spec) => spec,
        JobSpec::Words(spec) => spec,
    }
}

/// The SQL views of the workloads, over the store's tables: for people who open a store.
pub const VIEWS: [&str; 3] = [files::VIEWS, digest::VIEW, words::VIEW];

/// The amounts that one answer adds to its job's account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Items that have a result.
    pub items_done: u64,
    /// Items that have none.
    pub items_failed: u64,
    /// Items whose file had a different modification time than planned.
    pub items_untimed: u64,
    /// Of the untimed items, those whose file had changed when it was read.
    pub items_changed: u64,
    /// Of the items without a result, those that another consumer is asked for; see
    /// [`Itemwise::open_items`].
    pub open: u32,
    /// Items that the consumer left, so that other tasks do them. They are no longer planned.
    pub left: u32,
    pub bytes: u64,
    /// The amount for the sum of the job's label, if its workload has one.
    pub amount: i64,
    /// The amounts for the job's totals, by name.
    pub totals: Vec<(&'static str, u64)>,
    /// Items without a result. If the answer has parts, those of these items do not count.
    pub without_parts: Vec<u32>,
}

impl Tally {
    /// What it adds to an account that has the tally of an early answer already.
    pub fn after(self, early: &Self) -> Self {
        Self {
            items_done: self.items_done.saturating_sub(early.items_done),
            items_failed: self.items_failed.saturating_sub(early.items_failed),
            left: self.left.saturating_sub(early.left),
            ..self
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    File {
        /// The path as the user would spell it.
        name: PathBytes,
        /// In lower-case hexadecimal.
        digest: String,
        /// Size in bytes when it was planned.
        size: u64,
    },
    /// A file with its counts.
    Counted {
        /// The path as the user would spell it; `None` for the total of all files.
        name: Option<PathBytes>,
        counts: contract::Counts,
        /// Whether the line shows the character count.
        characters: bool,
        /// Minimum width of each number, in characters.
        width: usize,
    },
    Whip {
        number: u64,
        steps: u64,
    },
    Failed {
        /// The path as the user would spell it.
        name: PathBytes,
        reason: String,
    },
}

/// A task with its outcome, as the store gives it to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub number: u64,
    /// `None` if the task had nothing to do.
    pub body: Option<Payload>,
    /// The answer, or the reason of the failure. `None` for a task without a body.
    pub answer: Option<Result<Payload, String>>,
}
