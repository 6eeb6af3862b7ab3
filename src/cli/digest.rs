//! From a command line's files to a job's spec.

use std::path::PathBuf;

use producer::plan::files::{Naming, selection};
use shared::job::JobSpec;
use shared::workload::digest::{Algorithm, Spec};
use shared::workload::files::Links;

use super::Failure;
use super::args::FilesArgs;

/// The spec, and the local directories of its roots.
pub fn job(files: &FilesArgs, naming: Naming) -> Result<(JobSpec, Vec<PathBuf>), Failure> {
    let links = match (files.follow_outside, files.follow) {
        (true, _) => Links::FollowAnywhere,
        (false, true) => Links::FollowInside,
        (false, false) => Links::Skip,
    };
    let (files, roots) = selection(&files.paths, naming, links).map_err(Failure::usage)?;
    Ok((JobSpec::Digest(Spec { algorithm: Algorithm::Sha1, files }), roots))
}
