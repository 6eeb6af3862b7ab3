//! A lock between processes: a locked file. The lock ends with the process, however the process
//! ends. The file is removed when the value is dropped; a file that a killed process left behind is
//! used again.
//!
//! The lock is `flock`. Over NFS from version 4 on, hosts see each other's locks. On a mount that
//! keeps locks to its own host (`nolock`, `local_lock`, and many FUSE file systems), the lock
//! excludes processes of the same host only. On a file system without locks, taking one is an
//! error.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that this process has locked.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    /// Open as long as the lock is held.
    file: File,
}

impl Lock {
    /// `None` if another process holds the lock. The file keeps its content until it is
    /// [signed](Self::sign).
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = File::options().write(true).create(true).truncate(false).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(cause)) => return Err(cause),
            }
            // The previous holder may have removed the file between the two calls. Then this is a
            // lock on a file that no other process can find, so try again.
            if is_at(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), file }));
            }
        }
    }

    /// Writes the holder's name into the file, for processes that find the lock taken.
    pub fn sign(&mut self, who: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(who.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file is still locked here. A file that cannot be removed does no harm.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_it_and_says_so_and_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        // The file as a killed process leaves it.
        fs::write(&path, "somebody with a long name").expect("written");
        let mut first = Lock::take(&path).expect("it is ours").expect("nobody has it");
        first.sign("first\n").expect("written");
        assert!(Lock::take(&path).expect("it is ours").is_none());
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "first\n");
        drop(first);
        assert!(!path.exists());
        assert!(Lock::take(&path).expect("it is ours").is_some());
    }
}
