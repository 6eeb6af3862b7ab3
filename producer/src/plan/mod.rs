//! Plans: a job's spec becomes numbered tasks, handed out one at a time on request.
//!
//! A plan made again, also in another process, yields the same tasks as long as its files have not
//! changed. So a producer that continues a job plans it from the start, and compares.

mod digest;
pub mod files;
mod steps;
mod words;

use std::path::PathBuf;

use serde_json::value::{RawValue, to_raw_value};
use shared::protocol::job::JobSpec;
use shared::protocol::message::Planned;
use shared::system::beneath::DirectoryIdentity;

use files::Own;

/// Why a spec cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("the job has {expected} roots, but {given} directories were given")]
    Roots { expected: usize, given: usize },
    #[error("start {start} of the job names root {root}, which the job does not have")]
    Start {
        /// Index into the selection's starts.
        start: usize,
        /// The root's index that the start names.
        root: usize,
    },
}

/// The plan of one job.
#[derive(Debug)]
pub enum Plan {
    Digest(Box<digest::DigestPlan>),
    Steps(steps::StepsPlan),
    Words(Box<words::WordsPlan>),
}

impl Plan {
    /// The plan of `spec`.
    ///
    /// For workloads over files `roots[i]` is the local directory of the spec's root i; others
    /// ignore it.
    pub fn new(spec: &JobSpec, roots: &[PathBuf]) -> Result<Self, PlanError> {
        Ok(match spec {
            JobSpec::Digest(spec) => Self::Digest(Box::new(digest::DigestPlan::new(spec, roots)?)),
            JobSpec::Words(spec) => Self::Words(Box::new(words::WordsPlan::new(spec, roots)?)),
            JobSpec::Steps(spec) => Self::Steps(steps::StepsPlan::new(spec)),
        })
    }

    /// The same plan without the times of files, for a job whose consumers do not compare them.
    pub fn without_times(mut self) -> Self {
        match &mut self {
            Self::Digest(plan) => plan.files.omit_times(),
            Self::Words(plan) => plan.files.omit_times(),
            Self::Steps(_) => {}
        }
        self
    }

    /// The same plan without these files.
    pub fn leaving_out(mut self, own: Own) -> Self {
        match &mut self {
            Self::Digest(plan) => plan.files.leave_out(own),
            Self::Words(plan) => plan.files.leave_out(own),
            Self::Steps(_) => {}
        }
        self
    }

    /// The same plan, which fails for a root that is not the directory that `identity` returns for
    /// its name. For a process that plans and works in one run, and must not mix two trees.
    pub fn expecting(mut self, identity: &dyn Fn(&str) -> Option<DirectoryIdentity>) -> Self {
        match &mut self {
            Self::Digest(plan) => plan.files.expect(identity),
            Self::Words(plan) => plan.files.expect(identity),
            Self::Steps(_) => {}
        }
        self
    }

    /// The next task, or `None` when the plan is complete.
    pub fn next_task(&mut self) -> Option<Planned> {
        match self {
            Self::Digest(plan) => plan.next_task(),
            Self::Steps(plan) => plan.next_task(),
            Self::Words(plan) => plan.next_task(),
        }
    }
}

/// Serializes a message's part to raw JSON.
fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("our messages have string keys and serialize without I/O")
}
