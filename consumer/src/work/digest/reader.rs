//! Reads files and digests them, small files several at a time.

use std::ops::Range;

use shared::protocol::workload::digest::Algorithm;

use super::hash::{Digest, Hasher, digest_each};
use crate::work::files::{Opened, READ_BYTES, ReadError, read_small, read_through};

/// Size of the buffer, bytes: it holds enough small files for all lanes of `multibuffer`, and fits
/// into a core's own cache.
const BUFFER_BYTES: usize = 512 * 1024;

/// A file of at most this size, bytes, is digested together with others.
pub(in crate::work) const SMALL_MAX: usize = BUFFER_BYTES / 16;

/// Bytes to ask of a small file, whatever size it reports: as many as other tools ask for, and one
/// more than the largest small file has, so that a short read shows the end.
const SMALL_ROOM: usize = SMALL_MAX + 1;

/// A file's digest, and the file's length in bytes.
pub(super) type Digested = (Digest, u64);

/// Digests files, small ones together. A file that changes while it is read has no digest, since
/// that could be of content that the file never had.
#[derive(Debug)]
pub(super) struct Reader {
    algorithm: Algorithm,
    buffer: Vec<u8>,
    /// Bytes of `buffer` in use.
    filled: usize,
    /// Small files in `buffer`: each with its token and its range.
    small: Vec<(usize, Range<usize>)>,
    digested: Vec<(usize, Digested)>,
}

impl Reader {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            buffer: vec![0; BUFFER_BYTES + SMALL_ROOM],
            filled: 0,
            small: Vec::new(),
            digested: Vec::new(),
        }
    }

    /// Reads a file. [`Reader::finish`] returns its digest with its token.
    pub(super) fn read(
        &mut self,
        token: usize,
        opened: &Opened,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), ReadError> {
        let size = opened.size();
        if size > SMALL_MAX as u64 {
            return self.read_on(token, opened, 0, cancelled);
        }
        if self.filled + size as usize > BUFFER_BYTES {
            self.digest_small();
        }
        let small = read_small(&opened.file, &mut self.buffer[self.filled..][..SMALL_ROOM], size)?;
        if !small.is_whole {
            return self.read_on(token, opened, small.bytes, cancelled);
        }
        opened.check(small.bytes as u64)?;
        self.small.push((token, self.filled..self.filled + small.bytes));
        self.filled += small.bytes;
        Ok(())
    }

    /// Reads the rest of a file whose first `begun` bytes lie in the buffer, after the bytes in
    /// use.
    fn read_on(
        &mut self,
        token: usize,
        opened: &Opened,
        begun: usize,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), ReadError> {
        let mut hasher = Hasher::new(self.algorithm);
        hasher.update(&self.buffer[self.filled..][..begun]);
        self.digest_small();
        let mut take = |piece: &[u8]| {
            hasher.update(piece);
            Ok(())
        };
        let bytes = read_through(opened, begun as u64, &mut self.buffer[..READ_BYTES], cancelled, &mut take)?;
        self.digested.push((token, (hasher.finish(), bytes)));
        Ok(())
    }

    /// Returns the digests of all files read, with their tokens.
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
}
