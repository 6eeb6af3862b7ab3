//! Reading a file to its end, and noticing that it changed meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use rustix::fs::FileType;
use shared::workload::digest::Algorithm;

use super::hash::{Digest, Hasher};

/// Bytes of one read. Larger ones gain nothing, and this stays in a core's own cache.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;

/// Why a file has no digest.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The caller wants no answer any more.
    Cancelled,
    /// The operating system refused.
    Os(io::Error),
    /// What would be digested is not what is there now.
    Changed(&'static str),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Os(error)
    }
}

/// Digests one file after the other, with one buffer.
#[derive(Debug)]
pub(super) struct Lane {
    algorithm: Algorithm,
    buffer: Vec<u8>,
}

impl Lane {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, buffer: vec![0; BUFFER_BYTES] }
    }

    /// The digest of a file and how many bytes it is of. A file that changes while it is read has
    /// none: the digest would be of content that the file never had.
    pub(super) fn digest(&mut self, file: &File, cancelled: &dyn Fn() -> bool) -> Result<(Digest, u64), ReadError> {
        let before = Stamp::of(file)?;
        if !before.is_file {
            return Err(ReadError::Changed(NOT_REGULAR));
        }
        let mut hasher = Hasher::new(self.algorithm);
        let mut bytes = 0;
        loop {
            let count = read(file, &mut self.buffer)?;
            hasher.update(&self.buffer[..count]);
            bytes += count as u64;
            // A short read at the expected end is the end: the look at the file below notices if
            // there is more. That saves a small file half of its reads.
            let is_end = count == 0 || (count < self.buffer.len() && bytes == before.len);
            if is_end {
                break;
            }
            if cancelled() {
                return Err(ReadError::Cancelled);
            }
        }
        if bytes != before.len || before != Stamp::of(file)? {
            return Err(ReadError::Changed("changed while it was read"));
        }
        Ok((hasher.finish(), bytes))
    }
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
struct Stamp {
    is_file: bool,
    len: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    /// By `fstat`: the standard library asks with `statx` and an empty path, which costs a small
    /// file about a tenth more.
    fn of(file: &File) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        Ok(Self {
            is_file: FileType::from_raw_mode(stat.st_mode).is_file(),
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        })
    }
}
