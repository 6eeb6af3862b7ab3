//! Folds: how the answers of each workload are summed, and how a report shows them.
//!
//! All functions are pure. A fold gives the same result in any order of outcomes: tallies are added
//! up, and records are rendered in the order of task numbers.

mod digest;
mod files;
mod kept;
mod steps;
mod words;

use bytes::Bytes;
use shared::protocol::id::Class;
use shared::protocol::job::{Counts, JobSpec};
use shared::protocol::path::PathBytes;
use shared::protocol::reason::Reason;
use shared::protocol::workload::{Workload, digest as digests, words as contract};

pub use kept::{Before, Kept};

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
    /// Of the items without a result, those that another consumer is asked for; see [`open_items`].
    pub open: u32,
    pub bytes: u64,
    /// The amount for the sum of the job's label, if its workload has one.
    pub amount: i64,
    /// The amounts for the job's totals, by name.
    pub totals: Vec<(&'static str, u64)>,
}

/// Checks and tallies an answer to a task of `items` items. `has_parts` says whether the answer
/// came in parts.
pub fn tally(workload: Workload, items: u32, answer: &[u8], has_parts: bool) -> Result<Tally, Reason> {
    match workload {
        Workload::Digest => digest::tally(items, answer),
        Workload::Steps => steps::tally(answer),
        Workload::Words => words::tally(items, answer, has_parts),
    }
}

/// Checks that a part of an answer can be read.
pub fn check_part(workload: Workload, part: &[u8]) -> Result<(), Reason> {
    match workload {
        Workload::Digest | Workload::Steps => Ok(()),
        Workload::Words => words::check_part(part),
    }
}

/// Whether two answers to the same task agree.
pub fn is_same(workload: Workload, items: u32, first: &[u8], second: &[u8]) -> bool {
    match workload {
        Workload::Digest => digest::is_same(items, first, second),
        Workload::Steps => steps::is_same(first, second),
        Workload::Words => words::is_same(items, first, second),
    }
}

/// The names of a task's first and last item, which help to find earlier tasks with the same items.
/// `None` for a workload that never takes items over.
pub fn range(spec: &JobSpec, body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    match spec {
        JobSpec::Digest(spec) => files::range(&spec.files, &digests::Batch::parse(body).ok()?.files),
        JobSpec::Steps(_) => None,
        JobSpec::Words(spec) => files::range(&spec.files, &contract::Batch::parse(body).ok()?.files),
    }
}

/// The answer for a task as far as tasks of earlier openings have it; `None` if none of its items
/// is unchanged.
pub fn keep(workload: Workload, body: &[u8], before: &[Before]) -> Option<Kept> {
    let (answer, items, run) = match workload {
        Workload::Digest => digest::keep(body, before).map(|(answer, items)| (answer, items, None)),
        Workload::Steps => None,
        Workload::Words => words::keep(body, before),
    }?;
    let parts = run.map(|at| before[at].place).filter(|_| before.iter().any(|before| before.run.is_some()));
    let host = before.first().map(|before| before.host.clone()).unwrap_or_default();
    Some(Kept { answer, items, parts, host })
}

/// The items of an answer that another consumer is asked for.
pub fn open_items(workload: Workload, items: u32, answer: &[u8]) -> Result<Vec<u32>, Reason> {
    match workload {
        Workload::Digest => digest::open_items(answer, items),
        Workload::Steps => Ok(Vec::new()),
        Workload::Words => words::open_items(answer, items),
    }
}

/// The body of a task with only these items.
pub fn rest(workload: Workload, body: &[u8], items: &[u32]) -> Result<Bytes, Reason> {
    match workload {
        Workload::Digest => digest::rest(body, items),
        Workload::Steps => Ok(Bytes::copy_from_slice(body)),
        Workload::Words => words::rest(body, items),
    }
}

/// Merges two answers: one to the whole task, and one to the items that were open in it.
pub fn merge(workload: Workload, items: u32, first: &[u8], rest: &[u8]) -> Result<Bytes, Reason> {
    match workload {
        Workload::Digest => digest::merge(items, first, rest),
        Workload::Steps => Ok(Bytes::copy_from_slice(rest)),
        Workload::Words => words::merge(items, first, rest),
    }
}

fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).expect("answers and bodies have string keys and serialize without I/O").into()
}

/// The label of the sum that a job's amounts are added to, readable for people.
pub fn label(spec: &JobSpec) -> Option<String> {
    match spec {
        JobSpec::Digest(_) | JobSpec::Words(_) => None,
        JobSpec::Steps(spec) => Some(steps::label(spec)),
    }
}

pub fn classes(spec: &JobSpec) -> Vec<Class> {
    match spec {
        JobSpec::Digest(spec) => spec.files.classes(),
        JobSpec::Words(spec) => spec.files.classes(),
        JobSpec::Steps(_) => vec![shared::protocol::workload::steps::class()],
    }
}

/// A task that follows from the job's spec alone. Its plan is not stored, and its producer sends
/// it; the owner only resends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    pub class: Class,
    pub body: Bytes,
}

/// The number of tasks, if they follow from the job's spec alone. Each has one item.
pub fn derived_tasks(spec: &JobSpec) -> Option<u64> {
    match spec {
        JobSpec::Digest(_) | JobSpec::Words(_) => None,
        JobSpec::Steps(spec) => Some(spec.whips),
    }
}

/// Whether the job's tasks follow from its spec alone.
pub fn is_derived(spec: &JobSpec) -> bool {
    derived_tasks(spec).is_some()
}

/// Task `number` of a job whose plan is derived.
pub fn derive(spec: &JobSpec, number: u64) -> Option<Derived> {
    match spec {
        JobSpec::Digest(_) | JobSpec::Words(_) => None,
        JobSpec::Steps(spec) => steps::derive(spec, number),
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
    pub body: Option<Bytes>,
    /// The answer, or the reason of the failure. `None` for a task without a body.
    pub answer: Option<Result<Bytes, String>>,
}

/// Whether records depend on the whole plan, so that a report can begin only when the plan is
/// complete.
pub fn needs_whole_plan(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Digest(_) | JobSpec::Steps(_) => false,
        JobSpec::Words(_) => true,
    }
}

/// The records of one settled task, in the order of its items. `account` is the job's; where
/// [`needs_whole_plan`] says so, it must be that of the complete plan.
pub fn records(spec: &JobSpec, account: &Counts, task: &Settled) -> Result<Vec<Record>, Reason> {
    match spec {
        JobSpec::Digest(spec) => digest::records(spec, task),
        JobSpec::Steps(_) => steps::records(task),
        JobSpec::Words(spec) => words::records(spec, account, task),
    }
}

/// The records at the end of a finished job's report.
pub fn closing(spec: &JobSpec, account: &Counts) -> Vec<Record> {
    match spec {
        JobSpec::Digest(_) | JobSpec::Steps(_) => Vec::new(),
        JobSpec::Words(spec) => words::closing(spec, account),
    }
}

/// Whether the job counts how often each word occurs.
pub fn has_frequencies(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Digest(_) | JobSpec::Steps(_) => false,
        JobSpec::Words(spec) => spec.manner.frequencies,
    }
}

/// How many words a job has counted so far.
pub fn words_so_far(account: &Counts) -> u64 {
    words::so_far(account)
}
