//! From files to their digests, the small ones together.

use std::ops::Range;

use shared::protocol::workload::digest::Algorithm;

use super::hash::{Digest, Hasher, digest_each};
use crate::work::files::{Opened, READ_BYTES, ReadError, read_small, read_through};

/// Bytes held at a time. It holds enough small files for all lanes of `multibuffer`, and stays in a
/// core's own cache.
const BUFFER_BYTES: usize = 512 * 1024;

/// A file up to this size is digested together with others.
pub(in crate::work) const SMALL_MAX: usize = BUFFER_BYTES / 16;

/// Bytes that are asked of a small file, whatever its size says: as many as other tools ask for. One more
/// than the largest has, to see that it has no more.
const SMALL_ROOM: usize = SMALL_MAX + 1;

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
        Self {
            algorithm,
            buffer: vec![0; BUFFER_BYTES + SMALL_ROOM],
            filled: 0,
            small: Vec::new(),
            digested: Vec::new(),
        }
    }

    /// Reads a file. Its digest comes out of [`Reader::finish`] with its token.
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

    /// Reads the rest of a file, of which the buffer holds so many bytes behind those that are in use.
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
}
