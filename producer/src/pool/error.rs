//! What can go wrong in a pool.

use std::time::Duration;

use shared::protocol::limits::RESULT_BYTES_MAX;
use shared::protocol::workload::call::{CallError, CodecError};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// A call has no result.
    #[error("call {index}: {cause}")]
    Call {
        /// The place of its argument among those of the same `map`, `imap` or `imap_unordered`, from
        /// 0; 0 for `apply`.
        index: u64,
        cause: CallError,
    },
    /// A call was tried as often as tasks are, and no consumer has answered: for example because it
    /// ends the process of its worker.
    #[error("call {index} was given up: {reason}")]
    GivenUp { index: u64, reason: String },
    /// An argument cannot be written, or a result cannot be read.
    #[error("call {index}: {cause}")]
    Codec { index: u64, cause: CodecError },
    /// The iterator of arguments panicked; its message was printed. Calls before it have results.
    #[error("the arguments end before call {index}: their iterator panicked")]
    Arguments { index: u64 },
    /// An argument that no message holds.
    #[error("call {index}: its argument has {bytes} bytes, and may have {RESULT_BYTES_MAX}")]
    TooLarge { index: u64, bytes: usize },
    /// An update, or what workers begin with, cannot be written or sent.
    #[error("{0}")]
    Refused(String),
    #[error("the pool is closed")]
    Closed,
    #[error("the pool was terminated before the call had a result")]
    Terminated,
    #[error(
        "the pool waited {} s for {wanted} workers, and has {there}{}", .waited.as_secs_f64(),
        .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    NoWorkers {
        wanted: u64,
        there: u64,
        waited: Duration,
        /// What the pool's owner knows about it.
        why: Option<String>,
    },
    /// The owner of the pool's job has stopped.
    #[error("the pool has stopped: {0}")]
    Stopped(String),
}
