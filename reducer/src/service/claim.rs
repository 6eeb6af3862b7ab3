//! An output directory has one owner at a time: of two that write there, one would replace the other's reports.

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

/// A file in the directory that its owner keeps locked and that says who that is. Its name is no report's: those end
/// with `.txt` or `.frequencies`.
const NAME: &str = ".packhorse.lock";

/// Bytes of that file that are shown.
const SHOWN: u64 = 400;

/// A directory that this process has for itself, as long as this value is there.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: Lock,
    _scratch: Scratch,
}

impl Claim {
    /// That of an owner that has such a directory.
    pub fn of(kind: &Kind, owner: &OwnerId, session: &Session) -> Result<Option<Self>, ServiceError> {
        match kind {
            Kind::Service { output_dir: Some(directory) } => take(directory, &format!("reducer {owner} ({session})")),
            _ => Ok(None),
        }
    }
}

/// Takes the directory for `who`; see [`crate::lock`] for how far that reaches. Nothing is taken where the file system
/// has no locks: reports are written all the same, and nobody else is kept from it.
fn take(directory: &Path, who: &str) -> Result<Option<Claim>, ServiceError> {
    let path = directory.join(NAME);
    let failed = |cause| ServiceError::OutputDir { path: path.clone(), cause: Arc::new(cause) };
    match Lock::take(&path) {
        Ok(Some(mut lock)) => {
            // It is locked all the same. A full disk delays reports, and must not keep a reducer from its jobs.
            if let Err(error) = lock.sign(&format!("{who}\n")) {
                tracing::warn!("{} does not say who has that directory: {error}", path.display());
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

/// `EOPNOTSUPP` and `ENOSYS`, and what NFS without a lock daemon says, which has no kind: `ENOLCK`.
fn has_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = 37;
    error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(ENOLCK)
}

fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SHOWN).read_to_string(&mut text));
    match (read, text.trim_end()) {
        // Between its two calls, or one that may not be read.
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
        // By another name.
        let other = directory.path().join("..").join(directory.path().file_name().expect("a name"));
        let second = take(&other, "reducer b (process 8 on h)").expect_err("somebody has it").to_string();
        assert!(second.contains("in use by reducer a (process 7 on h)"), "{second}");
        drop(first);
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0);
        assert!(take(directory.path(), "reducer b (process 8 on h)").expect("nobody has it").is_some());
    }
}
