//! The names of a store's file and of the files beside it.

use std::path::{Path, PathBuf};

use shared::system::resolve::resolve;

/// Suffix of the lock file's name.
pub(super) const LOCK: &str = ".lock";

/// The store at `path` and the files beside it that belong to it, whether or not they exist.
pub fn files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm", "-journal", LOCK].into_iter().map(|suffix| beside(path, suffix))
}

/// A path beside the store's file. Links are resolved first, so all names of one store have one
/// lock.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = resolve(path).into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}
