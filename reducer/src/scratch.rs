//! Files that must not outlive the process, even if it exits without unwinding: on a second signal,
//! or while another thread hangs in a read.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static SCRATCH: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file or directory that [`sweep`] removes while this value exists.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Creates a file or directory and registers its path. The registry stays locked meanwhile, so
    /// [`sweep`] knows every path, and nothing is created once a sweep has begun.
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

/// Removes all registered files and directories. Call it last: it keeps the registry locked, so
/// threads that want to create more wait until the process ends.
pub fn sweep() {
    let scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
    for path in scratch.iter() {
        // The process is about to end, so a failure has no further consequence here.
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    std::mem::forget(scratch);
}
