//! Errors of this process alone, which say nothing of the file.

use std::io;

use rustix::io::Errno;

/// Whether this process lacks descriptors or memory.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
