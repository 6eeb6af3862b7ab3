//! From a command line's files to a job's spec.

use std::path::PathBuf;

use producer::plan::digest::{Naming, spec};
use shared::job::JobSpec;
use shared::workload::digest::{Algorithm, Links};

use super::Failure;
use super::args::FilesArgs;

/// The spec, and the local directories of its roots.
pub fn job(files: &FilesArgs, naming: Naming) -> Result<(JobSpec, Vec<PathBuf>), Failure> {
    let links = match (files.follow_outside, files.follow) {
        (true, _) => Links::FollowAnywhere,
        (false, true) => Links::FollowInside,
        (false, false) => Links::Skip,
    };
    let (spec, roots) = spec(&files.paths, naming, Algorithm::Sha1, links).map_err(Failure::usage)?;
    Ok((JobSpec::Digest(spec), roots))
}
