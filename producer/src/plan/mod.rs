//! Plans: a job's spec becomes numbered tasks, handed out one at a time on request.
//!
//! A plan made again, also in another process, yields the same tasks as long as its files have not
//! changed. So a producer that continues a job plans it from the start, and compares.

mod call;
mod digest;
pub mod files;
mod steps;
mod words;

use std::fmt::Debug;
use std::path::PathBuf;

use shared::protocol::job::JobSpec;
use shared::protocol::message::Planned;
use shared::system::beneath::DirectoryIdentity;

use files::{FilesPlan, Own};

/// Why a spec cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("the job has {expected} roots, but {given} directories were given")]
    Roots { expected: usize, given: usize },
    #[error("the calls of a pool come from the program that has it; no plan can be made of its spec")]
    NoPlan,
    #[error("start {start} of the job names root {root}, which the job does not have")]
    Start {
        /// Index into the selection's starts.
        start: usize,
        /// The root's index that the start names.
        root: usize,
    },
}

/// What makes the tasks of one job, in order.
trait Tasks: Debug + Send {
    /// The next task, or `None` when the plan is complete.
    fn next_task(&mut self) -> Option<Planned>;

    /// Leaves out the next tasks, this many.
    fn skip(&mut self, tasks: u64) {
        let _ = (0..tasks).try_for_each(|_| self.next_task().map(drop));
    }

    /// The files that the plan is made of, if it is made of files.
    fn files(&mut self) -> Option<&mut FilesPlan> {
        None
    }
}

/// The plan of one job.
#[derive(Debug)]
pub struct Plan(Box<dyn Tasks>);

impl Plan {
    /// The plan of `spec`.
    ///
    /// For workloads over files `roots[i]` is the local directory of the spec's root i; others
    /// ignore it.
    pub fn new(spec: &JobSpec, roots: &[PathBuf]) -> Result<Self, PlanError> {
        Ok(Self(match spec {
            JobSpec::Call(_) => return Err(call::refused()),
            JobSpec::Digest(spec) => Box::new(digest::DigestPlan::new(spec, roots)?),
            JobSpec::Words(spec) => Box::new(words::WordsPlan::new(spec, roots)?),
            JobSpec::Steps(spec) => Box::new(steps::StepsPlan::new(spec)),
        }))
    }

    /// The same plan without the times of files, for a job whose consumers do not compare them.
    pub fn without_times(mut self) -> Self {
        self.0.files().into_iter().for_each(FilesPlan::omit_times);
        self
    }

    /// The same plan without these files.
    pub fn leaving_out(mut self, own: Own) -> Self {
        if let Some(files) = self.0.files() {
            files.leave_out(own);
        }
        self
    }

    /// The same plan from this task on.
    pub fn starting_at(mut self, number: u64) -> Self {
        self.0.skip(number);
        self
    }

    /// The same plan, which fails for a root that is not the directory that `identity` returns for
    /// its name. For a process that plans and works in one run, and must not mix two trees.
    pub fn expecting(mut self, identity: &dyn Fn(&str) -> Option<DirectoryIdentity>) -> Self {
        if let Some(files) = self.0.files() {
            files.expect(identity);
        }
        self
    }

    /// The next task, or `None` when the plan is complete.
    pub fn next_task(&mut self) -> Option<Planned> {
        self.0.next_task()
    }
}
