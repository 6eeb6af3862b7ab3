//! What a store is called, and what lies beside it.

use std::path::{Path, PathBuf};

use shared::system::resolve::resolve;

/// What the name of the locked file ends in.
pub(super) const LOCK: &str = ".lock";

/// The store at `path` and the files beside it that belong to it, whether they are there or not.
pub fn files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm", LOCK].into_iter().map(|suffix| beside(path, suffix))
}

/// A name beside that of the store, which may have several: two of them have one lock.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = resolve(path).into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}
