//! Work: one task's body becomes one answer, without a broker.
//!
//! # Layout
//! - [`Site`]: what this process may touch; threads share one
//! - one module for each workload, each a function from a body to an answer
//! - `files`: what workloads over files have in common
//! - [`split`], [`join`]: the same task item by item, for [isolation](crate::isolation)
//! - [`cut`]: a piece of an answer in two

mod digest;
mod files;
mod site;
mod steps;
mod words;

use serde::Serialize;
use shared::protocol::message::Failure;
use shared::protocol::reason::Reason;
use shared::protocol::workload::Workload;

pub(crate) use files::OpenRoot;
#[cfg(any(test, feature = "fuzzing"))]
pub use files::judge_plain;
pub use files::{Compare, Found};
pub use site::{Site, SiteError};
#[cfg(any(test, feature = "fuzzing"))]
pub use words::fuzzing::words as words_property;

/// Why a task has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkError {
    /// Its body is not what it should be, or not for this process: no attempt here can help.
    Rejected(Reason),
    /// It could not be done now; its owner decides about another attempt.
    Failed(Failure),
}

impl From<Reason> for WorkError {
    fn from(reason: Reason) -> Self {
        Self::Rejected(reason)
    }
}

impl WorkError {
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(Failure { reason: reason.into(), stderr: String::new() })
    }
}

/// A piece of an answer that its owner gets before the answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The one item that it is about, if it counts only when that item has a result.
    pub item: Option<u32>,
    /// What it holds, in the form of its workload's contract.
    pub body: Vec<u8>,
}

/// Why a piece of an answer has not reached its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// Nobody wants the answer any more.
    Cancelled,
    /// It is larger than a message may be, and cannot be cut: what it is about has no result. Why, for people.
    TooLarge(String),
    /// Nothing can be sent any more. Why, for people.
    Lost(String),
}

impl From<Unsent> for WorkError {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Cancelled => Self::failed("cancelled"),
            Unsent::TooLarge(reason) | Unsent::Lost(reason) => Self::failed(reason),
        }
    }
}

/// What work may use of the process around it.
pub struct Context<'a> {
    /// What it may touch.
    pub site: &'a Site,
    /// When the task was planned, in nanoseconds since 1970, if that is known.
    pub planned_at: Option<i64>,
    /// Asked again and again, at the latest after each MiB read; once it says true the task fails, and the
    /// work ends whatever processes it has started.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Takes a piece of the answer, and waits until the owner has it.
    pub publish: &'a mut dyn FnMut(Piece) -> Result<(), Unsent>,
}

/// Does one task and returns the answer's JSON.
pub fn work(workload: Workload, body: &[u8], context: Context<'_>) -> Result<Vec<u8>, WorkError> {
    match workload {
        Workload::Digest => digest::work(body, &context).map(|answer| json(&answer)),
        Workload::Steps => steps::work(body).map(|answer| json(&answer)),
        Workload::Words => words::work(body, context).map(|answer| json(&answer)),
    }
}

/// Where a piece of an answer can be cut in two, each of which is a piece as well; `None` if nowhere.
pub fn cut(workload: Workload, piece: &[u8]) -> Option<usize> {
    match workload {
        // Their answers have no pieces.
        Workload::Digest | Workload::Steps => None,
        Workload::Words => words::cut(piece),
    }
}

/// A task item by item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The root that its files lie in, if it has files.
    pub root: Option<String>,
    /// A body for each item, in order.
    pub bodies: Vec<Vec<u8>>,
}

/// The same task item by item.
pub fn split(workload: Workload, body: &[u8]) -> Result<Split, Reason> {
    match workload {
        Workload::Digest => digest::split(body),
        // One whip is one item.
        Workload::Steps => Ok(Split { root: None, bodies: vec![body.to_vec()] }),
        Workload::Words => words::split(body),
    }
}

/// Puts the answers to a task's items together to that of the task, as [`work`] would have given it.
/// Items whose process died have failed; what died of a task without items of its own fails the task.
pub fn join(workload: Workload, results: Vec<ItemResult>) -> Result<Vec<u8>, WorkError> {
    match workload {
        Workload::Digest => digest::join(results).map(|answer| json(&answer)),
        Workload::Steps => steps::join(results),
        Workload::Words => words::join(results).map(|answer| json(&answer)),
    }
}

/// The answer to a task of one item, or what its process died of.
pub type ItemResult = Result<Vec<u8>, Failure>;

fn json(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("answers have string keys and serialize without I/O")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_may_share_a_site() {
        fn shared<T: Send + Sync>() {}
        shared::<Site>();
    }

    #[test]
    fn answers_are_json() {
        let mut publish = |_| Ok(());
        let context = Context { site: &Site::new(), planned_at: None, cancelled: &|| false, publish: &mut publish };
        let answer = work(Workload::Steps, br#"{"intensity":3}"#, context);
        assert_eq!(answer, Ok(br#"{"steps":3}"#.to_vec()));
    }
}
