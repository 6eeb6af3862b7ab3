//! The plan of workloads over files: walks directory trees and packs the files into tasks.
//!
//! # Layout
//! - `input`: turns command-line arguments into a selection
//! - `naming`: the names of roots
//! - `walk`: the job's starts, one after the other, as a stream of findings
//! - `finding`: what a walk meets
//! - `tree`: walks one root depth first
//! - `root`: the directory of a walk
//! - `listing`: one directory, sorted
//! - `own`: the command's own files, which are left out
//! - `pack`: packs findings into a task
//!
//! # Invariants
//! - Findings come in the byte order of their paths, directories compared as name + `/`.
//! - A task is a contiguous range of findings. Its end depends only on its number and on the
//!   findings, so two plans of the same tree are equal.
//! - Memory grows with the listings of the directories on the current path, not with the tree.

mod finding;
mod input;
mod listing;
mod naming;
mod own;
mod pack;
mod root;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::path::PathBuf;

use shared::protocol::message::Planned;
use shared::protocol::payload::Payload;
use shared::protocol::workload::files::{Files, Selection};
use shared::system::beneath::DirectoryIdentity;

use super::PlanError;
use finding::Finding;
use pack::Draft;
use walk::Walk;

pub use input::{InputError, selection};
pub use naming::Naming;
pub use own::Own;

/// The remaining tasks of a job.
#[derive(Debug)]
pub struct FilesPlan {
    walk: Walk,
    next: u64,
    /// A finding that did not fit into the last task.
    pending: Option<Finding>,
    /// Whether tasks contain the files' times.
    times: bool,
}

impl FilesPlan {
    pub(super) fn new(selection: Selection, dirs: &[PathBuf]) -> Result<Self, PlanError> {
        if selection.roots.len() != dirs.len() {
            return Err(PlanError::Roots { expected: selection.roots.len(), given: dirs.len() });
        }
        if let Some((start, bad)) = selection.starts.iter().enumerate().find(|(_, start)| start.root >= dirs.len()) {
            return Err(PlanError::Start { start, root: bad.root });
        }
        Ok(Self { walk: Walk::new(selection, dirs.to_vec()), next: 0, pending: None, times: true })
    }

    /// Leaves the files' times out of the tasks, for consumers that do not compare them.
    pub(super) fn omit_times(&mut self) {
        self.times = false;
    }

    pub(super) fn leave_out(&mut self, own: Own) {
        self.walk.leave_out(own);
    }

    /// Fails a root that is not the directory which `identity` returns for its name.
    pub(super) fn expect(&mut self, identity: &dyn Fn(&str) -> Option<DirectoryIdentity>) {
        self.walk.expect(identity);
    }

    /// The next task. `body` is the workload's function from files to a task's body.
    pub(super) fn next_task(&mut self, body: impl Fn(Files) -> Payload) -> Option<Planned> {
        let mut draft = Draft::new(self.next, self.times);
        while !draft.is_full() {
            let Some(finding) = self.pending.take().or_else(|| self.walk.next()) else { break };
            if let Err(finding) = draft.take(finding, self.walk.selection()) {
                self.pending = Some(finding);
                break;
            }
        }
        let task = draft.finish(self.walk.selection(), body)?;
        self.next += 1;
        Some(task)
    }
}
