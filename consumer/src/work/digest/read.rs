//! Reading files to their ends, and noticing that they changed meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use rustix::fs::FileType;
use shared::workload::digest::Algorithm;

use super::hash::{Digest, Hasher, digest_each};

/// Bytes held at a time. It holds enough small files for all lanes of `multibuffer`, and stays in a
/// core's own cache.
const BUFFER_BYTES: usize = 512 * 1024;

/// A file up to this size is digested together with others.
pub(super) const SMALL_MAX: usize = BUFFER_BYTES / 16;

/// Bytes of one read of a larger file. More gain nothing.
pub(super) const READ_BYTES: usize = 256 * 1024;

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

/// A file's digest and how many bytes it is of.
pub(super) type Digested = (Digest, u64);

/// Digests files, the small ones together. A file that changes while it is read has no digest: it
/// would be of content that the file never had.
#[derive(Debug)]
pub(super) struct Reader {
    algorithm: Algorithm,
    buffer: Vec<u8>,
    /// Bytes of the buffer in use.
    filled: usize,
    /// Small files that were read whole: their tokens, and where they lie in the buffer.
    small: Vec<(usize, Range<usize>)>,
    digested: Vec<(usize, Digested)>,
}

impl Reader {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, buffer: vec![0; BUFFER_BYTES], filled: 0, small: Vec::new(), digested: Vec::new() }
    }

    /// Reads a file. Its digest comes out of [`Reader::finish`] with its token.
    pub(super) fn read(&mut self, token: usize, file: &File, cancelled: &dyn Fn() -> bool) -> Result<(), ReadError> {
        let before = Stamp::of(file)?;
        if !before.is_file {
            return Err(ReadError::Changed(NOT_REGULAR));
        }
        if before.len > SMALL_MAX as u64 {
            self.digest_small();
            let digested = self.read_large(file, &before, cancelled)?;
            self.digested.push((token, digested));
            return Ok(());
        }
        // One byte more than the file has, to see that it has no more.
        let room = before.len as usize + 1;
        if room > self.buffer.len() - self.filled {
            self.digest_small();
        }
        let count = read_small(file, &mut self.buffer[self.filled..][..room])?;
        before.check(file, count as u64)?;
        self.small.push((token, self.filled..self.filled + count));
        self.filled += count;
        Ok(())
    }

    /// All digests since the beginning, with their tokens.
    pub(super) fn finish(mut self) -> Vec<(usize, Digested)> {
        self.digest_small();
        self.digested
    }

    fn digest_small(&mut self) {
        let contents: Vec<&[u8]> = self.small.iter().map(|(_, place)| &self.buffer[place.clone()]).collect();
        let digests = digest_each(self.algorithm, &contents);
        let files = self.small.drain(..).zip(digests);
        self.digested.extend(files.map(|((token, place), digest)| (token, (digest, place.len() as u64))));
        self.filled = 0;
    }

    /// The buffer is free.
    fn read_large(&mut self, file: &File, before: &Stamp, cancelled: &dyn Fn() -> bool) -> Result<Digested, ReadError> {
        let mut hasher = Hasher::new(self.algorithm);
        let mut bytes = 0;
        loop {
            let count = read(file, &mut self.buffer[..READ_BYTES])?;
            hasher.update(&self.buffer[..count]);
            bytes += count as u64;
            // A short read at the expected end is the end: the check below notices if there is more.
            if count == 0 || (count < READ_BYTES && bytes == before.len) {
                break;
            }
            if cancelled() {
                return Err(ReadError::Cancelled);
            }
        }
        before.check(file, bytes)?;
        Ok((hasher.finish(), bytes))
    }
}

/// Reads into a buffer that has room for one byte more than is expected, and stops without asking
/// again when that is not needed: it saves a small file half of its reads.
fn read_small(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
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

    /// Whether the file is still what it was, and `bytes` is all of it.
    fn check(&self, file: &File, bytes: u64) -> Result<(), ReadError> {
        if bytes == self.len && *self == Self::of(file)? {
            return Ok(());
        }
        Err(ReadError::Changed("changed while it was read"))
    }
}
