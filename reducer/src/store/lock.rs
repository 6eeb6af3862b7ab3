//! One process at a time writes a store: SQLite's own locks are held only while it writes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use shared::resolve::directory_of;

use super::StoreError;
use super::files::{LOCK, beside};

/// A locked file beside the store. The lock ends with the process, the file with this value; one
/// that a killed process left behind is used again.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Held open.
    _file: File,
}

impl Lock {
    /// Locks the store at `path`, whose directory is made if there is none.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::File { path: path.to_owned(), cause };
        fs::create_dir_all(directory_of(path)).map_err(failed)?;
        let name = beside(path, LOCK);
        loop {
            let file = File::create(&name).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(path.to_owned())),
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
            // The process that had it may have removed the file between the two calls: then this is
            // the lock of a file that nobody else can find.
            if is_at(&file, &name).map_err(failed)? {
                return Ok(Self { path: name, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked. A file that cannot be removed does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match fs::metadata(path) {
        Ok(found) => Ok(identity(found) == identity(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
