//! Turns the file arguments of a command into a job's selection.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use producer::plan::files::{Naming, selection};
use shared::protocol::id::Origin;
use shared::protocol::workload::files::{Links, Selection};

use super::Failure;
use super::args::FilesArgs;

/// The selection, and the local directories of its roots.
pub fn select(files: &FilesArgs, naming: Naming) -> Result<(Selection, Vec<PathBuf>), Failure> {
    let links = match (files.follow_outside, files.follow) {
        (true, _) => Links::FollowAnywhere,
        (false, true) => Links::FollowInside,
        (false, false) => Links::Skip,
    };
    let (selection, roots) = selection(&files.paths, naming, links).map_err(Failure::usage)?;
    Ok((Selection { strict_times: files.strict_times, ..selection }, roots))
}

/// Identifies these directories of this machine. Other directories have another origin, even if
/// they replace the earlier ones at the same path. A container has no id of its own, so its
/// directories alone identify it.
pub fn origin(roots: &[PathBuf]) -> Origin {
    let mut place = fs::read("/etc/machine-id").unwrap_or_default();
    for root in roots {
        let path = fs::canonicalize(root).unwrap_or_else(|_| root.clone());
        place.extend_from_slice(path.as_os_str().as_bytes());
        let identity = fs::metadata(&path).map(|found| (found.dev(), found.ino())).unwrap_or_default();
        place.extend_from_slice(format!("\0{identity:?}\0").as_bytes());
    }
    Origin::of(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_directory_at_the_same_place_is_another_origin() {
        let directory = tempfile::tempdir().expect("a directory");
        let [a, b, link] = ["a", "b", "link"].map(|name| directory.path().join(name));
        fs::create_dir(&a).expect("made");
        std::os::unix::fs::symlink(&a, &link).expect("a link");
        let of = |root: &PathBuf| origin(std::slice::from_ref(root));
        let first = of(&a);
        assert_eq!((of(&a), of(&link)), (first.clone(), first.clone()));
        fs::rename(&a, &b).expect("renamed");
        fs::create_dir(&a).expect("made");
        assert_ne!(of(&a), first);
        assert_ne!(of(&b), first, "it has moved");
        assert_ne!(origin(&[a.clone(), b.clone()]), origin(&[b, a]));
    }
}
