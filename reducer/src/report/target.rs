//! Where a report goes: to standard output or into a file.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ReportError;
use super::file::Draft;

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
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }

    /// Opens it.
    pub fn begin(&self) -> Result<Sink, ReportError> {
        Ok(match self {
            Self::Stdout => Sink::Stdout,
            Self::File(path) => Sink::File(Draft::begin(path)?),
        })
    }

    /// Writes there. `write` gets the output and gives what the caller wants of it.
    pub fn write<T>(&self, write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>) -> Result<T, ReportError> {
        self.begin()?.write(write)
    }
}

impl From<OsString> for Target {
    /// `-` is standard output, by the convention of POSIX utilities.
    fn from(name: OsString) -> Self {
        if name == "-" { Self::Stdout } else { Self::File(name.into()) }
    }
}

/// A target that is open.
#[derive(Debug)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file.
    File(Draft),
}

impl Sink {
    /// Writes there. `write` gets the output and gives what the caller wants of it.
    pub fn write<T>(self, write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>) -> Result<T, ReportError> {
        match self {
            Self::Stdout => {
                let mut out = BufWriter::with_capacity(STDOUT_BUFFER, io::stdout().lock());
                let value = write(&mut out)?;
                out.flush().map_err(|cause| ReportError::Output { path: None, cause })?;
                Ok(value)
            }
            Self::File(draft) => draft.write(write),
        }
    }
}
