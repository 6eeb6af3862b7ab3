//! Reading files to their ends, and noticing that they changed meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use rustix::fs::FileType;

use crate::work::Cancelled;

/// Bytes of one read of a large file. More gain nothing.
pub(in crate::work) const READ_BYTES: usize = 256 * 1024;

/// Why a file has no result.
#[derive(Debug)]
pub(in crate::work) enum ReadError {
    /// The caller wants no answer any more.
    Cancelled,
    /// The operating system refused.
    Os(io::Error),
    /// Its content is not taken on principle, such as that of a file that changes meanwhile.
    Refused(&'static str),
}

impl From<Cancelled> for ReadError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Os(error)
    }
}

/// Reads a file from its beginning to its end, piece by piece, and gives its length. What it was
/// `before` it must still be: else the pieces are of content that the file never had.
pub(in crate::work) fn read_through(
    file: &File,
    before: &Stamp,
    buffer: &mut [u8],
    cancelled: &dyn Fn() -> bool,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<u64, ReadError> {
    let mut bytes = 0;
    loop {
        let count = read(file, buffer)?;
        take(&buffer[..count])?;
        bytes += count as u64;
        // A short read at the expected end is the end: the check below notices if there is more.
        if count == 0 || (count < buffer.len() && bytes == before.len) {
            break;
        }
        if cancelled() {
            return Err(ReadError::Cancelled);
        }
    }
    before.check(file, bytes)?;
    Ok(bytes)
}

/// Reads into a buffer that has room for one byte more than is expected, and stops without asking
/// again when that is not needed: it saves a small file half of its reads.
pub(in crate::work) fn read_small(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let count = read(file, &mut buffer[filled..])?;
        filled += count;
        if count == 0 || filled + 1 == buffer.len() {
            break;
        }
    }
    Ok(filled)
}

/// Said of what was a regular file when it was listed.
pub(super) const NOT_REGULAR: &str = "no longer a regular file";

fn read(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// What a write to a file changes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::work) struct Stamp {
    /// Its length.
    pub(in crate::work) len: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    /// Of a regular file; anything else is refused.
    ///
    /// By `fstat`: the standard library asks with `statx` and an empty path, which costs a small
    /// file about a tenth more.
    pub(in crate::work) fn of(file: &File) -> Result<Self, ReadError> {
        let stat = rustix::fs::fstat(file).map_err(io::Error::from)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(ReadError::Refused(NOT_REGULAR));
        }
        Ok(Self {
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        })
    }

    /// Whether the file is still what it was, and `bytes` is all of it.
    pub(in crate::work) fn check(&self, file: &File, bytes: u64) -> Result<(), ReadError> {
        if bytes == self.len && *self == Self::of(file)? {
            return Ok(());
        }
        Err(ReadError::Refused("changed while it was read"))
    }
}
