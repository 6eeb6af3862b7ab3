//! Where a report goes: to standard output or into a file.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::file::check_file;
use super::{ReportError, write_file};

/// Keeps one write for one task; each part of a report is flushed when it is complete.
const STDOUT_BUFFER: usize = 256 * 1024;

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To standard output, as it grows.
    Stdout,
    /// Into a file, whole or not at all.
    File(PathBuf),
}

impl Target {
    /// Whether a report can be written there: better known at the start than at a job's end.
    pub fn check(&self) -> io::Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(path) => check_file(path),
        }
    }

    /// Writes there. `write` gets the output and gives what the caller wants of it.
    pub fn write<T>(&self, write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>) -> Result<T, ReportError> {
        match self {
            Self::Stdout => {
                let mut out = BufWriter::with_capacity(STDOUT_BUFFER, io::stdout().lock());
                let value = write(&mut out)?;
                out.flush().map_err(|cause| ReportError::Output { path: None, cause })?;
                Ok(value)
            }
            Self::File(path) => write_file(path, write),
        }
    }
}

impl From<OsString> for Target {
    /// `-` is standard output, by the convention of POSIX utilities.
    fn from(name: OsString) -> Self {
        if name == "-" { Self::Stdout } else { Self::File(name.into()) }
    }
}
