//! What each workload's answers add up to, and how a report shows them.
//!
//! Pure functions. A fold gives the same result in any order of outcomes: tallies are added up, and
//! records are rendered in the order of task numbers.

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

/// What one answer adds to its job's account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Items with a result.
    pub items_done: u64,
    /// Items without one.
    pub items_failed: u64,
    /// Items whose file had another modification time than planned.
    pub items_untimed: u64,
    /// Of these, those that had changed when they were read.
    pub items_changed: u64,
    /// Of the items without a result, those that another consumer is to be asked for: see [`open_items`].
    pub open: u32,
    /// Bytes read.
    pub bytes: u64,
    /// What it adds to the sum of the job's label, if its workload has one.
    pub amount: i64,
    /// What it adds to the job's totals, by name.
    pub totals: Vec<(&'static str, u64)>,
}

/// Checks an answer to a task of `items` items, which came in parts or as a whole, and tallies it.
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

/// Whether two answers to the same task are the same answer.
pub fn is_same(workload: Workload, items: u32, first: &[u8], second: &[u8]) -> bool {
    match workload {
        Workload::Digest => digest::is_same(items, first, second),
        Workload::Steps => steps::is_same(first, second),
        Workload::Words => words::is_same(items, first, second),
    }
}

/// The names of a task's first and last item, by which tasks that hold the same items are found; nothing where no items
/// are ever taken over.
pub fn range(spec: &JobSpec, body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    match spec {
        JobSpec::Digest(spec) => files::range(&spec.files, &digests::Batch::parse(body).ok()?.files),
        JobSpec::Steps(_) => None,
        JobSpec::Words(spec) => files::range(&spec.files, &contract::Batch::parse(body).ok()?.files),
    }
}

/// What the answers to tasks of the opening before say about a task: nothing, if none of its items is as it was.
pub fn keep(workload: Workload, body: &[u8], before: &[Before]) -> Option<Kept> {
    let (answer, items, run) = match workload {
        Workload::Digest => digest::keep(body, before).map(|(answer, items)| (answer, items, None)),
        Workload::Steps => None,
        Workload::Words => words::keep(body, before),
    }?;
    let parts = run.map(|at| before[at].place).filter(|_| before.iter().any(|before| before.run.is_some()));
    let host = before.last().map(|before| before.host.clone()).unwrap_or_default();
    Some(Kept { answer, items, parts, host })
}

/// The items of an answer that another consumer is to be asked for.
pub fn open_items(workload: Workload, items: u32, answer: &[u8]) -> Result<Vec<u32>, Reason> {
    match workload {
        Workload::Digest => digest::open_items(answer, items),
        Workload::Steps => Ok(Vec::new()),
        Workload::Words => words::open_items(answer, items),
    }
}

/// The body of a task of these items alone.
pub fn rest(workload: Workload, body: &[u8], items: &[u32]) -> Result<Bytes, Reason> {
    match workload {
        Workload::Digest => digest::rest(body, items),
        Workload::Steps => Ok(Bytes::copy_from_slice(body)),
        Workload::Words => words::rest(body, items),
    }
}

/// One answer of two: of the whole task, and then of the items that were open in it.
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

/// The sum that a job's amounts go to, named for people.
pub fn label(spec: &JobSpec) -> Option<String> {
    match spec {
        JobSpec::Digest(_) | JobSpec::Words(_) => None,
        JobSpec::Steps(spec) => Some(steps::label(spec)),
    }
}

/// Every class that the job's tasks may have.
pub fn classes(spec: &JobSpec) -> Vec<Class> {
    match spec {
        JobSpec::Digest(spec) => spec.files.classes(),
        JobSpec::Words(spec) => spec.files.classes(),
        JobSpec::Steps(_) => vec![shared::protocol::workload::steps::class()],
    }
}

/// A task that follows from the job's spec alone. Such plans are not stored, and their producer
/// sends them itself; the owner sends one only again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// Who can do it.
    pub class: Class,
    /// Its body.
    pub body: Bytes,
}

/// How many tasks the job has, if they follow from its spec alone. Each has one item.
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

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A file with its digest.
    File {
        /// As the user would spell it.
        name: PathBytes,
        /// Lower-case hexadecimal.
        digest: String,
        /// Size when it was planned.
        size: u64,
    },
    /// A file with what was counted in it.
    Counted {
        /// As the user would spell it; `None` for the total of all files.
        name: Option<PathBytes>,
        /// The counts.
        counts: contract::Counts,
        /// Whether characters are shown.
        characters: bool,
        /// Digits that each number is given.
        width: usize,
    },
    /// A whip with its steps.
    Whip {
        /// The whip's number.
        number: u64,
        /// The steps taken.
        steps: u64,
    },
    /// An item without a result.
    Failed {
        /// As the user would spell it.
        name: PathBytes,
        /// Why.
        reason: String,
    },
}

/// What a task holds and what came of it, as the store gives it to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its number.
    pub number: u64,
    /// Its body; `None` if it had none.
    pub body: Option<Bytes>,
    /// The answer, or why there is none. `None` for a task without a body.
    pub answer: Option<Result<Bytes, String>>,
}

/// Whether records show something of the plan as a whole, so that a report begins when it is
/// complete.
pub fn needs_whole_plan(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Digest(_) | JobSpec::Steps(_) => false,
        JobSpec::Words(_) => true,
    }
}

/// The records of one settled task, in the order of its items. `account` is the job's: of a complete
/// plan where [`needs_whole_plan`] says so.
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
