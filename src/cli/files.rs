//! From a command line's files to what a job selects.

use std::path::PathBuf;

use producer::plan::files::{Naming, selection};
use shared::workload::files::{Links, Selection};

use super::Failure;
use super::args::FilesArgs;

/// The selection, and the local directories of its roots.
pub fn select(files: &FilesArgs, naming: Naming) -> Result<(Selection, Vec<PathBuf>), Failure> {
    let links = match (files.follow_outside, files.follow) {
        (true, _) => Links::FollowAnywhere,
        (false, true) => Links::FollowInside,
        (false, false) => Links::Skip,
    };
    selection(&files.paths, naming, links).map_err(Failure::usage)
}
