//! Files that must not outlive the process, also when it exits without unwinding: on a second
//! signal, or beside a thread that hangs in a read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static SCRATCH: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file or directory that [`sweep`] removes as long as this value is there.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(path: &Path) -> Self {
        SCRATCH.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Removes what is there of them: the last thing that a process does.
pub fn sweep() {
    for path in std::mem::take(&mut *SCRATCH.lock().unwrap_or_else(PoisonError::into_inner)) {
        // Nobody is left who could do anything about a failure.
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}
