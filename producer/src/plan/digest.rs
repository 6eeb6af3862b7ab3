//! The plan of `digest`: files, and the digest algorithm.

use std::path::PathBuf;

use shared::protocol::message::Planned;
use shared::protocol::payload::Payload;
use shared::protocol::workload::digest::{Algorithm, Batch, Spec};

use super::files::FilesPlan;
use super::{PlanError, Tasks};

/// The remaining tasks of a digest job.
#[derive(Debug)]
pub(super) struct DigestPlan {
    algorithm: Algorithm,
    files: FilesPlan,
}

impl DigestPlan {
    pub(super) fn new(spec: &Spec, dirs: &[PathBuf]) -> Result<Self, PlanError> {
        let files = FilesPlan::new(spec.files.clone(), dirs)?;
        Ok(Self { algorithm: spec.algorithm, files })
    }
}

impl Tasks for DigestPlan {
    fn next_task(&mut self) -> Option<Planned> {
        let algorithm = self.algorithm;
        self.files.next_task(|files| Payload::of(&Batch { algorithm, files }))
    }

    fn files(&mut self) -> Option<&mut FilesPlan> {
        Some(&mut self.files)
    }
}
