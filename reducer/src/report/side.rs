//! Side reports: what a workload reports besides its records, into a file of its own.

use std::fmt::Debug;
use std::io::Write;
use std::path::Path;

use shared::protocol::id::JobId;
use shared::protocol::job::JobSpec;

use super::{ReportError, frequencies};

/// A kind of side report.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// Ending of its name in a directory of reports.
    pub ending: &'static str,
    write: Writer,
}

/// Writes the first lines, or all of them, of the side report of a job in the store at a path.
type Writer = fn(&Path, &JobId, Option<u64>, &mut dyn Write) -> Result<(), ReportError>;

impl Side {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self { ending: "frequencies", write: frequencies::write }];

    /// The side report of a job, if it has one.
    pub fn of(spec: &JobSpec) -> Option<Self> {
        match spec {
            JobSpec::Words(spec) if spec.manner.frequencies => Some(Self::ALL[0]),
            JobSpec::Call(_) | JobSpec::Digest(_) | JobSpec::Steps(_) | JobSpec::Words(_) => None,
        }
    }

    /// Writes the side report of a finished job from its store: its first `lines` lines, or all of
    /// them.
    pub fn write(&self, store: &Path, job: &JobId, lines: Option<u64>, out: &mut dyn Write) -> Result<(), ReportError> {
        (self.write)(store, job, lines, out)
    }
}
