//! Reads files to their ends, and notices that they changed meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use super::open::OpenError;
use super::stamp::Stamp;
use super::system::{System, Systems};
use crate::work::Unsent;

/// Bytes of one read of a large file. Larger reads are not faster.
pub(in crate::work) const READ_BYTES: usize = 256 * 1024;

/// Why a file has no result.
#[derive(Debug)]
pub(in crate::work) enum ReadError {
    /// The task was cancelled.
    Cancelled,
    /// The operating system returned an error.
    Os(io::Error),
    /// Packhorse refuses the content, such as that of a file that changed while it was read.
    Refused(&'static str),
    /// The path leads to something else now, or through a link that is not followed.
    NotThere(&'static str),
    /// The file differs from the planned one. With the difference.
    Elsewhere(String),
    /// A piece of the file's answer cannot be sent.
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

/// An open file, with its stamp from before it is read.
#[derive(Debug)]
pub(in crate::work) struct Opened {
    pub(in crate::work) file: File,
    pub(super) system: System,
    pub(super) before: Stamp,
}

impl Opened {
    /// Fails if the file is not a regular one.
    pub(super) fn new(file: File, systems: &mut Systems) -> Result<Self, ReadError> {
        let (system, before) = systems.look(&file)?;
        Ok(Self { file, system, before })
    }

    /// The size that its file system reports, bytes.
    pub(in crate::work) fn size(&self) -> u64 {
        self.before.len
    }

    /// Checks that the file has not changed and that the `bytes` read are all of it. Otherwise the
    /// bytes read may be content that the file never had.
    pub(in crate::work) fn check(&self, bytes: u64) -> Result<(), ReadError> {
        let (_, after) = Stamp::of(&self.file, self.system.may_be_stale())?;
        self.before.judge(&after, bytes, self.system == System::MadeUp).map_err(ReadError::Refused)
    }
}

/// Reads a file to its end, piece by piece, and returns its length. `bytes` of it were read before.
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
        // A short read at the expected end is the end. Elsewhere only an empty read is, since the
        // reported size may be wrong.
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

/// The result of [`read_small`].
pub(in crate::work) struct Small {
    pub(in crate::work) bytes: usize,
    /// Whether the file ends there. If not, the buffer is full.
    pub(in crate::work) is_whole: bool,
}

/// Reads a file of `len` bytes into a larger buffer. A short read of exactly `len` bytes shows the
/// end, so no second read is needed: that halves the reads of a small file. If the size is wrong,
/// it reads on to the end.
///
/// The buffer must have room for the whole file: some files that the kernel makes up return content
/// only on the first read.
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
