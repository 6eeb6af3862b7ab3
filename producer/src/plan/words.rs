//! The plan of `words`: files, and how to count in them.

use std::path::PathBuf;

use shared::protocol::message::Planned;
use shared::protocol::workload::words::{Batch, Manner, Spec};

use super::files::FilesPlan;
use super::{PlanError, raw};

/// The remaining tasks of a words job.
#[derive(Debug)]
pub struct WordsPlan {
    manner: Manner,
    pub(super) files: FilesPlan,
}

impl WordsPlan {
    pub(super) fn new(spec: &Spec, dirs: &[PathBuf]) -> Result<Self, PlanError> {
        let files = FilesPlan::new(spec.files.clone(), dirs)?;
        Ok(Self { manner: spec.manner, files })
    }

    pub(super) fn next_task(&mut self) -> Option<Planned> {
        let manner = self.manner;
        self.files.next_task(|files| raw(&Batch { manner, files }))
    }
}
