//! Errors that concern this process and say nothing about the file.

use std::io;

use rustix::io::Errno;

/// Whether the error means that this process or the system lacks file descriptors or memory.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
