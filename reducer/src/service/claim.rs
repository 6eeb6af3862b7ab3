//! A lock on an output directory. The directory has one owner at a time: of two that write there,
//! one would replace the other's reports.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use shared::protocol::id::OwnerId;
use shared::protocol::message::Session;
use shared::protocol::path::printable;

use super::{Kind, ServiceError};
use crate::lock::Lock;
use crate::scratch::Scratch;

/// The lock file in the directory. It holds the owner's name. No report has this file's name,
/// because each report has an ending.
const NAME: &str = ".packhorse.lock";

/// Bytes of the lock file that an error shows at most.
const SHOWN: u64 = 400;

/// An output directory that this process has for itself while this value exists.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: Lock,
    _scratch: Scratch,
}

impl Claim {
    /// Locks the output directory, if this kind of owner has one.
    pub fn of(kind: &Kind, owner: &OwnerId, session: &Session) -> Result<Option<Self>, ServiceError> {
        match kind {
            Kind::Service { output_dir: Some(directory) } => take(directory, &format!("reducer {owner} ({session})")),
            _ => Ok(None),
        }
    }
}

/// Locks the directory for `who`; see [`crate::lock`] for how far the lock reaches. On a file
/// system without locks this returns `None`: reports are written all the same, and other owners are
/// not kept out.
fn take(directory: &Path, who: &str) -> Result<Option<Claim>, ServiceError> {
    let path = directory.join(NAME);
    let failed = |cause| ServiceError::OutputDir { path: path.clone(), cause: Arc::new(cause) };
    match Lock::take(&path) {
        Ok(Some(mut lock)) => {
            // The directory is locked all the same. A full disk delays reports, but must not keep a
            // reducer from its jobs.
            if let Err(error) = lock.sign(&format!("{who}\n")) {
                tracing::warn!("cannot write this reducer's name into the lock file {}: {error}", path.display());
            }
            let (_, _scratch) = Scratch::make(|| io::Result::Ok(path.clone())).map_err(failed)?;
            Ok(Some(Claim { _lock: lock, _scratch }))
        }
        Ok(None) => Err(ServiceError::Claimed { directory: directory.to_owned(), holder: holder(&path) }),
        Err(error) if has_no_locks(&error) => {
            tracing::warn!(
                "{} cannot be locked ({error}), so nothing keeps another reducer from that directory",
                path.display()
            );
            Ok(None)
        }
        Err(cause) => Err(failed(cause)),
    }
}

/// `EOPNOTSUPP`, `ENOSYS`, and `ENOLCK` (from NFS without a lock daemon), which has no `ErrorKind`.
fn has_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = 37;
    error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(ENOLCK)
}

fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SHOWN).read_to_string(&mut text));
    match (read, text.trim_end()) {
        // The holder has not written its name yet, or the file may not be read.
        (Err(_), _) | (Ok(_), "") => "another reducer".to_owned(),
        (Ok(_), who) => printable(who),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_the_first_one_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = take(directory.path(), "reducer a (process 7 on h)").expect("nobody has it");
        assert!(first.is_some());
        // The same directory by another path.
        let other = directory.path().join("..").join(directory.path().file_name().expect("a name"));
        let second = take(&other, "reducer b (process 8 on h)").expect_err("somebody has it").to_string();
        assert!(second.contains("in use by reducer a (process 7 on h)"), "{second}");
        drop(first);
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0);
        assert!(take(directory.path(), "reducer b (process 8 on h)").expect("nobody has it").is_some());
    }
}
