//! What a command asks for, whoever owns the job.

use std::path::PathBuf;

use producer::plan::files::Naming;
use shared::protocol::id::Origin;
use shared::protocol::job::JobSpec;
use shared::protocol::workload::files::Selection;

use super::args::FilesArgs;
use super::{Failure, files};

/// A job that a command asks for.
pub struct Asked {
    pub spec: JobSpec,
    /// Jobs of one origin and spec continue one another.
    pub origin: Origin,
    /// The local directories of the roots, in the order of the spec. Empty for jobs without files.
    pub roots: Vec<PathBuf>,
}

impl Asked {
    /// A job over files.
    pub fn of_files(
        args: &FilesArgs,
        naming: Naming,
        spec: impl FnOnce(Selection) -> JobSpec,
    ) -> Result<Self, Failure> {
        let (selection, roots) = files::select(args, naming)?;
        Ok(Self { spec: spec(selection), origin: files::origin(&roots), roots })
    }
}
