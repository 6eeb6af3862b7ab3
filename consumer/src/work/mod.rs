//! Work: one task's body becomes one answer, without a broker.
//!
//! # Layout
//! - [`Work`]: what the consumer asks of a workload; [`of`] finds it
//! - one module for each workload
//! - `files`: the part that all workloads over files share
//! - [`Site`]: the roots that this process may read; threads share one

mod call;
mod digest;
mod files;
mod site;
mod steps;
mod words;

use std::fmt::Debug;
use std::sync::Arc;

use shared::protocol::message::Failure;
use shared::protocol::payload::Payload;
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
    /// The body is invalid, or asks for something that this process does not serve. Another attempt
    /// here cannot help.
    Rejected(Reason),
    /// The task could not be done now; its owner decides about another attempt.
    Failed(Failure),
    /// Every attempt at the task would fail in this way, so its owner does not try it again.
    Permanent(Failure),
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

/// A piece of an answer, published before the answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The item that the piece belongs to: the owner drops the piece if that item has no result.
    /// `None`: the piece always counts.
    pub item: Option<u32>,
    /// As the workload's contract defines it.
    pub body: Payload,
}

/// Why a piece of an answer has not reached its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// The task was cancelled.
    Cancelled,
    /// The piece is too large for a message and cannot be cut, so its item has no result. With a
    /// reason for the report.
    TooLarge(String),
    /// The connection to the broker or to the parent process failed. With a reason for the report.
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

/// An answer to a part of a task, given while the work on the others goes on. The work then ends with
/// the answer to these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Early {
    /// As the workload's contract defines an answer with open items.
    pub answer: Payload,
    /// The items that are open in it, in ascending order.
    pub open: Vec<u32>,
    /// Time that the work on the answered items took, microseconds.
    pub micros: u64,
}

/// Takes the early answer to one task, at most one. It does not block, and may be called on any thread
/// until the work ends.
pub type GiveEarly = Arc<dyn Fn(Early) + Send + Sync>;

/// What the work on a task may use of its process.
pub struct Context<'a> {
    pub site: &'a Site,
    /// When the task was planned, in nanoseconds since 1970, if known.
    pub planned_at: Option<i64>,
    /// Polled at least after each MiB read. Once it returns true, the task fails and the work ends
    /// every process that it started.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Publishes a piece of the answer and waits until the owner's queue has it.
    pub publish: &'a mut dyn FnMut(Piece) -> Result<(), Unsent>,
    /// Makes what takes an early answer; `None` where none can be given.
    pub early: Option<&'a dyn Fn() -> GiveEarly>,
}

/// What the consumer asks of a workload.
pub trait Work: Debug + Sync {
    /// Does one task and returns its answer.
    fn work(&self, body: &Payload, context: Context<'_>) -> Result<Payload, WorkError>;

    /// Divides a task into tasks of one item each.
    fn split(&self, body: &Payload) -> Result<Split, Reason>;

    /// Joins the answers of a task's items into the task's answer, as [`Work::work`] would have
    /// given it. An item whose process died has failed. In a workload without items, that death
    /// fails the task.
    fn join(&self, results: Vec<ItemResult>) -> Result<Payload, WorkError>;

    /// The offset at which a piece of an answer can be cut into two valid pieces, if there is one.
    fn cut(&self, piece: &[u8]) -> Option<usize> {
        let _ = piece;
        None
    }

    /// Whether a task that may have killed consumers is done item by item in a child process.
    fn isolates_suspects(&self) -> bool {
        true
    }

    /// Deliveries that wait while every slot works, so that no slot idles for a round trip. More
    /// would keep tasks from idle consumers.
    fn spare(&self) -> u16 {
        1
    }
}

/// The work of each workload.
pub fn of(workload: Workload) -> &'static dyn Work {
    match workload {
        Workload::Call => &call::CallWork,
        Workload::Digest => &digest::DigestWork,
        Workload::Steps => &steps::StepsWork,
        Workload::Words => &words::WordsWork,
    }
}

/// Does one task and returns its answer.
pub fn work(workload: Workload, body: &Payload, context: Context<'_>) -> Result<Payload, WorkError> {
    of(workload).work(body, context)
}

/// A task divided into tasks of one item each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The root of the task's files, if it has files.
    pub root: Option<String>,
    /// A body for each item, in order.
    pub bodies: Vec<Payload>,
}

/// The answer to a task of one item, or the reason why its process died.
pub type ItemResult = Result<Payload, Failure>;

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
        let context =
            Context { site: &Site::new(), planned_at: None, cancelled: &|| false, publish: &mut publish, early: None };
        let answer = work(Workload::Steps, &Payload::json(r#"{"intensity":3}"#), context);
        assert_eq!(answer, Ok(Payload::json(r#"{"steps":3}"#)));
    }
}
