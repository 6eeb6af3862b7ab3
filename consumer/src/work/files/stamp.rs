//! What a write to a file changes, and how it is asked for.

use std::fs::File;
use std::io;

use rustix::fs::FileType;

use super::ReadError;

/// Seconds since 1970, and nanoseconds of the next one.
pub(super) type Time = (i64, u64);

/// The number of a file system.
pub(super) type Device = u64;

/// What a write to a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) len: u64,
    pub(super) modified: Time,
    pub(super) changed: Time,
}

/// Said of what was a regular file when it was listed.
pub(super) const NOT_REGULAR: &str = "no longer a regular file";

const CHANGED: &str = "changed while it was read";

/// Said where not even the size is what the system tells, so that its times may be made up as well.
const CHANGED_OR_UNTOLD: &str = "changed while it was read, or its file system tells another time at each look";

impl Stamp {
    /// Of a regular file, with the file system that it lies on.
    ///
    /// By `fstat` where the kernel knows it: to ask with `statx` and an empty path, as the standard library does,
    /// costs a small file about a tenth more, and on Linux 6.11 or later a hundredth. Elsewhere `fstat` may tell what
    /// was true a while ago, and on a read-only FUSE mount that is what it does; `statx` can demand an answer of now,
    /// for a question to the server.
    pub(super) fn of(file: &File, may_be_stale: bool) -> Result<(Device, Self), ReadError> {
        let asked = if may_be_stale { ask(file)? } else { None };
        let (mode, found) = match asked {
            Some(found) => found,
            None => tell(file)?,
        };
        if FileType::from_raw_mode(mode).is_file() { Ok(found) } else { Err(ReadError::NotThere(NOT_REGULAR)) }
    }

    /// Whether the file is what it was, and `bytes` is all of it.
    ///
    /// Its end was read, so it may have more bytes than its size says: that is 0 where nobody knows it before,
    /// as in proc and many a FUSE file system. Fewer bytes may be the mistake of whoever serves the file, and
    /// are taken from the kernel alone.
    pub(super) fn judge(&self, after: &Self, bytes: u64, is_made_up: bool) -> Result<(), &'static str> {
        if self != after {
            let is_told = self.len != after.len || bytes == self.len;
            return Err(if is_told { CHANGED } else { CHANGED_OR_UNTOLD });
        }
        if bytes < self.len && !is_made_up {
            return Err("ended before its size says, so a part of it may be missing");
        }
        Ok(())
    }
}

/// The type and permissions of a file, where it lies, and its stamp.
type Found = (rustix::fs::RawMode, (Device, Stamp));

/// As the kernel has it.
fn tell(file: &File) -> io::Result<Found> {
    let stat = rustix::fs::fstat(file)?;
    let stamp = Stamp {
        len: u64::try_from(stat.st_size).unwrap_or(0),
        modified: (stat.st_mtime, stat.st_mtime_nsec),
        changed: (stat.st_ctime, stat.st_ctime_nsec),
    };
    Ok((stat.st_mode, (stat.st_dev, stamp)))
}

/// As whoever has the file says now; `None` where that cannot be asked.
#[cfg(target_os = "linux")]
fn ask(file: &File) -> io::Result<Option<Found>> {
    use rustix::fs::{AtFlags, StatxFlags, StatxTimestamp, makedev, statx};
    use rustix::io::Errno;

    let wanted = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
    let found = match statx(file, c"", AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC, wanted) {
        Ok(found) => found,
        // Of kernels before 4.11, and of sandboxes.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let time = |time: StatxTimestamp| (time.tv_sec, u64::from(time.tv_nsec));
    let stamp = Stamp { len: found.stx_size, modified: time(found.stx_mtime), changed: time(found.stx_ctime) };
    let device = makedev(found.stx_dev_major, found.stx_dev_minor);
    Ok(Some((found.stx_mode.into(), (device, stamp))))
}

#[cfg(not(target_os = "linux"))]
fn ask(_file: &File) -> io::Result<Option<Found>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_may_say_too_little_but_not_too_much() {
        let stamp = |len| Stamp { len, modified: (1, 0), changed: (1, 0) };
        let judge = |before, after, bytes, is_made_up| stamp(before).judge(&stamp(after), bytes, is_made_up).err();
        assert_eq!(judge(5, 5, 5, false), None);
        assert_eq!(judge(0, 0, 5, false), None);
        assert_eq!(judge(4096, 4096, 5, true), None);
        assert!(judge(5, 5, 4, false).is_some_and(|why| why.contains("a part of it may be missing")));
        // Whatever was read, and whoever serves it.
        for (before, after) in [(5, 6), (6, 5), (0, 5)] {
            assert!(judge(before, after, 5, true).is_some_and(|why| why.starts_with("changed")));
        }
        let touched = |len| Stamp { modified: (2, 0), ..stamp(len) };
        assert_eq!(stamp(5).judge(&touched(5), 5, true), Err("changed while it was read"));
        let made_up = stamp(0).judge(&touched(0), 5, true).expect_err("nothing shows that it held still");
        assert!(made_up.contains("tells another time at each look"), "{made_up}");
    }
}
