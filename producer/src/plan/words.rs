//! The plan of `words`: files, and how to count in them.

use std::path::PathBuf;

use shared::protocol::message::Planned;
use shared::protocol::payload::Payload;
use shared::protocol::workload::words::{Batch, Manner, Spec};

use super::files::FilesPlan;
use super::{PlanError, Tasks};

/// The remaining tasks of a words job.
#[derive(Debug)]
pub(super) struct WordsPlan {
    manner: Manner,
    files: FilesPlan,
}

impl WordsPlan {
    pub(super) fn new(spec: &Spec, dirs: &[PathBuf]) -> Result<Self, PlanError> {
        let files = FilesPlan::new(spec.files.clone(), dirs)?;
        Ok(Self { manner: spec.manner, files })
    }
}

impl Tasks for WordsPlan {
    fn next_task(&mut self) -> Option<Planned> {
        let manner = self.manner;
        self.files.next_task(|files| Payload::of(&Batch { manner, files }))
    }

    fn files(&mut self) -> Option<&mut FilesPlan> {
        Some(&mut self.files)
    }
}
