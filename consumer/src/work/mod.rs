//! Work: one task's body becomes one answer, without a broker.
//!
//! # Layout
//! - [`Site`]: what this process may touch; threads share one
//! - one module for each workload, each a function from a body to an answer
//! - `files`: what workloads over files have in common

mod digest;
mod files;
mod site;
mod steps;

use serde::Serialize;
use shared::message::{Failure, Reason};
use shared::workload::Workload;

pub use site::{Site, SiteError};

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

/// Does one task and returns the answer's JSON.
///
/// `cancelled` is asked again and again, at the latest after each MiB read; once it says true the
/// task fails.
pub fn work(workload: Workload, body: &[u8], site: &Site, cancelled: &dyn Fn() -> bool) -> Result<Vec<u8>, WorkError> {
    match workload {
        Workload::Digest => digest::work(body, site, cancelled).map(|answer| json(&answer)),
        Workload::Steps => steps::work(body).map(|answer| json(&answer)),
    }
}

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
        let answer = work(Workload::Steps, br#"{"intensity":3}"#, &Site::new(), &|| false);
        assert_eq!(answer, Ok(br#"{"steps":3}"#.to_vec()));
    }
}
