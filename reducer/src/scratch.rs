//! Files that must not outlive the process, also when it exits without unwinding: on a second
//! signal, or beside a thread that hangs in a read.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static SCRATCH: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file or directory that [`sweep`] removes as long as this value is there.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Creates something at a path that it then knows. Nothing is created that [`sweep`] does not
    /// know, and nothing at all once it has begun.
    pub(crate) fn make<T: AsRef<Path>>(create: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Self)> {
        let mut scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
        let made = create()?;
        let path = made.as_ref().to_owned();
        scratch.insert(path.clone());
        Ok((made, Self(path)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Removes what is there of them: the last thing that a process does. Threads that make more after
/// this wait for its end.
pub fn sweep() {
    let scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
    for path in scratch.iter() {
        // Nobody is left who could do anything about a failure.
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    std::mem::forget(scratch);
}
