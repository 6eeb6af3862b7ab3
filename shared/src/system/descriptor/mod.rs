//! Descriptors that this process was started with, as outputs: standard output, and descriptors
//! that a user names by `/dev/stdout`, `/dev/fd/N` and similar paths.
//!
//! They are written through duplicates, not through the standard library's `Stdout`, which treats
//! "bad file descriptor" as success.
//!
//! # Layout
//! - `name`: which paths name a descriptor rather than a file
//! - `start`: which of the standard descriptors were closed when the process began

mod name;
mod start;

use std::fs::File;
use std::io::{self, Error, ErrorKind, Seek, SeekFrom};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

pub use name::{is_descriptor_of_another, number_of};

pub const STDOUT: u32 = 1;
pub const STDERR: u32 = 2;

/// Standard output, opened for writing. An error means that no output would arrive; its text has
/// the form "it is ...".
pub fn stdout() -> io::Result<File> {
    duplicate(STDOUT)
}

/// Descriptor `number`, opened for writing, with the offset and modes of the original. An error
/// says what is wrong with it, in the form "it is ...".
///
/// Call this at the start of the process: later the number may belong to a file that this process
/// has opened.
pub fn duplicate(number: u32) -> io::Result<File> {
    let closed = || Error::new(ErrorKind::NotFound, "it is closed");
    let number = RawFd::try_from(number).map_err(|_| closed())?;
    if start::was_closed(number) {
        return Err(closed());
    }
    // SAFETY: the value does not outlive this function, and only the kernel uses the number; it
    // answers EBADF if nothing is open there.
    let original = unsafe { BorrowedFd::borrow_raw(number) };
    let modes = match fcntl_getfl(original) {
        Err(Errno::BADF) => return Err(closed()),
        modes => modes?,
    };
    if modes.contains(OFlags::PATH) || modes.intersection(OFlags::RWMODE) == OFlags::RDONLY {
        return Err(Error::new(ErrorKind::InvalidInput, "it is open for reading alone"));
    }
    original.try_clone_to_owned().map(File::from)
}

/// Whether what is written to one of two descriptors can overwrite what is written to the other:
/// both lead to one regular file, at offsets of their own, and not both append.
pub fn overwrite(first: &File, second: &File) -> bool {
    let meet = || -> io::Result<bool> {
        let (one, other) = (first.metadata()?, second.metadata()?);
        let is_one = one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino());
        let appends = |file: &File| fcntl_getfl(file).map(|modes| modes.contains(OFlags::APPEND));
        Ok(is_one && !(appends(first)? && appends(second)?) && !share_offset(first, second)?)
    };
    meet().unwrap_or(false)
}

/// Whether one descriptor is a duplicate of the other, which nobody writes to meanwhile: moving one
/// moves the other.
fn share_offset(mut first: &File, mut second: &File) -> io::Result<bool> {
    let (here, before) = (first.stream_position()?, second.stream_position()?);
    first.seek(SeekFrom::Start(here + 1))?;
    let after = second.stream_position();
    first.seek(SeekFrom::Start(here))?;
    Ok(after? != before)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    fn number(file: &File) -> u32 {
        file.as_raw_fd().try_into().expect("it is open")
    }

    #[test]
    fn a_duplicate_goes_on_where_the_original_stands() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"one ").expect("written");
        duplicate(number(&file)).and_then(|mut again| again.write_all(b"two ")).expect("written");
        file.write_all(b"three").expect("written");
        file.rewind().expect("rewound");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "one two three");
    }

    #[test]
    fn a_file_that_is_opened_twice_is_overwritten_unless_both_append() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("f");
        let open = |appends| File::options().append(appends).write(true).create(true).open(&path).expect("opened");
        let (one, other) = (open(false), open(false));
        assert!(overwrite(&one, &other) && overwrite(&one, &open(true)) && overwrite(&open(true), &one));
        assert!(!overwrite(&open(true), &open(true)));
        assert!(!overwrite(&one, &one.try_clone().expect("a duplicate")));
        assert!(!overwrite(&one, &tempfile::tempfile().expect("another file")));
        let null = || File::options().write(true).open("/dev/null").expect("opened");
        assert!(!overwrite(&null(), &null()));
    }

    #[test]
    fn what_cannot_take_anything_is_told_before_it_is_written_to() {
        let told = |number: u32| duplicate(number).expect_err("of no use").to_string();
        let reading = File::open("/dev/null").expect("opened");
        assert_eq!(told(number(&reading)), "it is open for reading alone");
        let looking = rustix::fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty());
        assert_eq!(told(number(&File::from(looking.expect("opened")))), "it is open for reading alone");
        assert_eq!(told(u32::MAX), "it is closed");
        assert_eq!(told(1_000_000), "it is closed");
        assert!(fs::File::create("/dev/null").is_ok_and(|writing| duplicate(number(&writing)).is_ok()));
    }
}
