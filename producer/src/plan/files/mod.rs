//! The plan of workloads over files: walks directory trees and packs their files into tasks.
//!
//! # Layout
//! - `input`: command-line arguments become a selection
//! - `naming`: what roots are called
//! - `walk`: the job's starts, one after the other, as a stream of findings
//! - `tree`: depth first through one root
//! - `root`: the one directory that a walk is of
//! - `listing`: one directory, sorted
//! - `own`: what a command writes itself and leaves out
//! - `pack`: findings become a task
//!
//! # Invariants
//! - Findings come in the byte order of their paths, directories compared as name + `/`.
//! - A task is a contiguous range of findings. Where it ends depends on its number and on the
//!   findings alone, never on where this process began: so a resumed plan equals an uninterrupted
//!   one.
//! - Memory grows with the listings of the directories on the current path, not with the tree.

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

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::beneath::DirectoryIdentity;
use shared::message::Planned;
use shared::path::PathBytes;
use shared::workload::files::{Files, Selection};

use super::PlanError;
use pack::Draft;
use walk::{Finding, Walk};

pub use input::{InputError, selection};
pub use naming::Naming;
pub use own::Own;

/// Where a walk goes on: after the last finding of the task before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resume {
    /// Index into the selection's starts.
    start: usize,
    /// The finding's place; see [`Finding::at`].
    after: PathBytes,
}

/// The tasks of a job that are still to come.
#[derive(Debug)]
pub struct FilesPlan {
    walk: Walk,
    next: u64,
    /// A finding that did not fit into the task before.
    pending: Option<Finding>,
}

impl FilesPlan {
    pub(super) fn new(
        selection: Selection,
        dirs: &[PathBuf],
        planned: u64,
        resume: Option<&RawValue>,
    ) -> Result<Self, PlanError> {
        if selection.roots.len() != dirs.len() {
            return Err(PlanError::Roots { expected: selection.roots.len(), given: dirs.len() });
        }
        if let Some((start, bad)) = selection.starts.iter().enumerate().find(|(_, start)| start.root >= dirs.len()) {
            return Err(PlanError::Start { start, root: bad.root });
        }
        let wrong = |detail: String| PlanError::Resume { planned, detail };
        let resume = match resume {
            Some(raw) => Some(serde_json::from_str::<Resume>(raw.get()).map_err(|e| wrong(e.to_string()))?),
            None if planned > 0 => return Err(wrong("where the last task ended is not known".to_owned())),
            None => None,
        };
        // Without this check a damaged place would seal a plan that is not complete.
        if let Some(place) = resume.as_ref().filter(|place| place.start >= selection.starts.len()) {
            return Err(wrong(format!("it stopped in start {}, which the job does not have", place.start)));
        }
        Ok(Self { walk: Walk::new(selection, dirs.to_vec(), resume), next: planned, pending: None })
    }

    /// Leaves these files out.
    pub(super) fn leave_out(&mut self, own: Own) {
        self.walk.leave_out(own);
    }

    /// Takes for a failure what is not the directory that a root of this name has to be.
    pub(super) fn expect(&mut self, identity: &dyn Fn(&str) -> Option<DirectoryIdentity>) {
        self.walk.expect(identity);
    }

    /// The next task, whose body the workload makes of its files.
    pub(super) fn next_task(&mut self, body: impl Fn(Files) -> Box<RawValue>) -> Option<Planned> {
        let mut draft = Draft::new(self.next);
        while !draft.is_full() {
            let Some(finding) = self.pending.take().or_else(|| self.walk.next()) else { break };
            if !draft.fits(&finding, self.walk.selection()) {
                self.pending = Some(finding);
                break;
            }
            draft.take(finding, self.walk.selection());
        }
        let task = draft.finish(self.walk.selection(), body)?;
        self.next += 1;
        Some(task)
    }
}
