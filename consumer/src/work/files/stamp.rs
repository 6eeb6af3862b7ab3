//! A file's size and times, which every write changes, and how to read them.

use std::fs::File;
use std::io;

use rustix::fs::FileType;

use super::ReadError;

/// Seconds since 1970, and the nanoseconds within the second.
pub(super) type Time = (i64, u64);

/// The device number of a file system.
pub(super) type Device = u64;

/// The attributes that a write to a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) len: u64,
    pub(super) modified: Time,
    pub(super) changed: Time,
}

/// The reason for a path that was a regular file when it was listed.
pub(super) const NOT_REGULAR: &str = "no longer a regular file";

const CHANGED: &str = "changed while it was read";

/// The reason where the reported size is wrong as well, so that the times may be unreliable too.
const CHANGED_OR_UNTOLD: &str = "changed while it was read, or its file system reports unstable times";

impl Stamp {
    /// The stamp of a regular file, and the device that it lies on.
    ///
    /// Uses `fstat` where the kernel itself has the attributes: `statx` with an empty path, as the
    /// standard library uses it, makes a small file about 10 % slower (1 % since Linux 6.11). If
    /// the attributes may be stale, `fstat` may return cached ones, as it does on a read-only FUSE
    /// mount. There `statx` can demand current attributes, at the cost of a request to the server.
    pub(super) fn of(file: &File, may_be_stale: bool) -> Result<(Device, Self), ReadError> {
        let asked = if may_be_stale { ask(file)? } else { None };
        let (mode, found) = match asked {
            Some(found) => found,
            None => tell(file)?,
        };
        if FileType::from_raw_mode(mode).is_file() { Ok(found) } else { Err(ReadError::NotThere(NOT_REGULAR)) }
    }

    /// Checks that the file has not changed and that the `bytes` read are all of it.
    ///
    /// The file was read to its end, so more bytes than its size are accepted: the size is 0 where
    /// it is not known in advance, as in proc and many FUSE file systems. Fewer bytes may be a
    /// fault of the file server, so they are accepted only from file systems that the kernel makes
    /// up.
    pub(super) fn judge(&self, after: &Self, bytes: u64, is_made_up: bool) -> Result<(), &'static str> {
        if self != after {
            let is_told = self.len != after.len || bytes == self.len;
            return Err(if is_told { CHANGED } else { CHANGED_OR_UNTOLD });
        }
        if bytes < self.len && !is_made_up {
            return Err("ended before its reported size, so a part of it may be missing");
        }
        Ok(())
    }
}

/// A file's type and permissions, its device, and its stamp.
type Found = (rustix::fs::RawMode, (Device, Stamp));

/// The attributes as the kernel has them, which may be cached.
fn tell(file: &File) -> io::Result<Found> {
    let stat = rustix::fs::fstat(file)?;
    let stamp = Stamp {
        len: u64::try_from(stat.st_size).unwrap_or(0),
        modified: (stat.st_mtime, stat.st_mtime_nsec),
        changed: (stat.st_ctime, stat.st_ctime_nsec),
    };
    Ok((stat.st_mode, (stat.st_dev, stamp)))
}

/// The attributes as the file's server has them now; `None` where `statx` is not available.
#[cfg(target_os = "linux")]
fn ask(file: &File) -> io::Result<Option<Found>> {
    use rustix::fs::{AtFlags, StatxFlags, StatxTimestamp, makedev, statx};
    use rustix::io::Errno;

    let wanted = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
    let found = match statx(file, c"", AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC, wanted) {
        Ok(found) => found,
        // Kernels before 4.11 and sandboxes have no `statx`.
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
        // A changed size is a change, also on a made-up file system.
        for (before, after) in [(5, 6), (6, 5), (0, 5)] {
            assert!(judge(before, after, 5, true).is_some_and(|why| why.starts_with("changed")));
        }
        let touched = |len| Stamp { modified: (2, 0), ..stamp(len) };
        assert_eq!(stamp(5).judge(&touched(5), 5, true), Err("changed while it was read"));
        let made_up = stamp(0).judge(&touched(0), 5, true).expect_err("nothing shows that it held still");
        assert!(made_up.contains("reports unstable times"), "{made_up}");
    }
}
