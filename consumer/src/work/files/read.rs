//! Reading files to their ends, and noticing that they changed meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use super::open::OpenError;
use super::stamp::Stamp;
use super::system::{System, Systems};
use crate::work::Unsent;

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
    /// There is something else in its place, or on the way to it.
    NotThere(&'static str),
    /// It is another file than the one that was planned, and what differs.
    Elsewhere(String),
    /// A piece of its answer cannot be sent.
    Unsent(Unsent),
}

impl From<Unsent> for ReadError {
    fn from(unsent: Unsent) -> Self {
        Self::Unsent(unsent)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Os(error)
    }
}

impl From<OpenError> for ReadError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Os(error) => Self::Os(error),
            OpenError::Refused(reason) => Self::NotThere(reason),
        }
    }
}

/// A file that is to be read, and what it was before that.
#[derive(Debug)]
pub(in crate::work) struct Opened {
    /// The file.
    pub(in crate::work) file: File,
    pub(super) system: System,
    pub(super) before: Stamp,
}

impl Opened {
    /// Of a regular file; anything else is refused.
    pub(super) fn new(file: File, systems: &mut Systems) -> Result<Self, ReadError> {
        let (system, before) = systems.look(&file)?;
        Ok(Self { file, system, before })
    }

    /// The size that its file system tells.
    pub(in crate::work) fn size(&self) -> u64 {
        self.before.len
    }

    /// Whether it is still what it was, and `bytes` is all of it: else what was read is of content that it never
    /// had.
    pub(in crate::work) fn check(&self, bytes: u64) -> Result<(), ReadError> {
        let (_, after) = Stamp::of(&self.file, self.system.may_be_stale())?;
        self.before.judge(&after, bytes, self.system == System::MadeUp).map_err(ReadError::Refused)
    }
}

/// Reads a file to its end, piece by piece, and gives its length. `bytes` of it were read before.
pub(in crate::work) fn read_through(
    opened: &Opened,
    mut bytes: u64,
    buffer: &mut [u8],
    cancelled: &dyn Fn() -> bool,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<u64, ReadError> {
    loop {
        let count = read(&opened.file, buffer)?;
        take(&buffer[..count])?;
        bytes += count as u64;
        // A short read at the expected end is the end. Anywhere else only a read of nothing is: a size may
        // lie.
        if count == 0 || (count < buffer.len() && bytes == opened.size()) {
            break;
        }
        if cancelled() {
            return Err(ReadError::Cancelled);
        }
    }
    opened.check(bytes)?;
    Ok(bytes)
}

/// What [`read_small`] has read.
pub(in crate::work) struct Small {
    /// How much.
    pub(in crate::work) bytes: usize,
    /// Whether the file ends there. If not, the buffer is full.
    pub(in crate::work) is_whole: bool,
}

/// Reads a file of `len` bytes into a buffer with more room, and does not ask for its end where a short read
/// has shown it: that saves a small file half of its reads. A size may lie: then the end is read.
///
/// The room counts: of some files that the kernel makes up only the first read gives anything.
pub(in crate::work) fn read_small(file: &File, buffer: &mut [u8], len: u64) -> io::Result<Small> {
    let mut filled = 0;
    loop {
        let count = read(file, &mut buffer[filled..])?;
        filled += count;
        let is_whole = count == 0 || (filled as u64 == len && filled < buffer.len());
        if is_whole || filled == buffer.len() {
            return Ok(Small { bytes: filled, is_whole });
        }
    }
}

fn read(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_end_of_a_small_file_is_read_unless_a_short_read_has_shown_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("f");
        fs::write(&path, "12345").expect("written");
        let read = |len: u64, room: usize| {
            let file = File::open(&path).expect("opened");
            let small = read_small(&file, &mut vec![0; room], len).expect("read");
            (small.bytes, small.is_whole)
        };
        assert_eq!([read(5, 6), read(0, 6), read(9, 10)], [(5, true); 3]);
        assert_eq!([read(0, 5), read(0, 4), read(5, 5)], [(5, false), (4, false), (5, false)]);
    }
}
