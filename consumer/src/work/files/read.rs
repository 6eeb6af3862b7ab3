//! Reading files to their ends, and noticing that they changed meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use rustix::fs::FileType;

use super::made_up::is_made_up;
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

/// Reads a file to its end, piece by piece, and gives its length. `bytes` of it were read before. What it was
/// `before` it must still be: else the pieces are of content that the file never had.
pub(in crate::work) fn read_through(
    file: &File,
    before: &Stamp,
    mut bytes: u64,
    buffer: &mut [u8],
    cancelled: &dyn Fn() -> bool,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<u64, ReadError> {
    loop {
        let count = read(file, buffer)?;
        take(&buffer[..count])?;
        bytes += count as u64;
        // A short read at the expected end is the end. Anywhere else only a read of nothing is: a size may
        // lie.
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

const CHANGED: &str = "changed while it was read";

/// Said where not even the size is what the system tells, so that its times may be made up as well.
const CHANGED_OR_UNTOLD: &str = "changed while it was read, or its file system tells another time at each look";

/// How often the clock of files moves, at the least: 100 times a second, on Linux `CONFIG_HZ`.
const TICK: Duration = Duration::from_millis(10);

/// How many ticks a file is waited for that is written all the time.
const TICKS_MAX: u32 = 5;

/// How long the clock of files may still show this time, if it may. What lies farther ahead is of another
/// clock: a server's, or this one before it was set back.
#[cfg(target_os = "linux")]
fn tick_left((second, nanosecond): (i64, u64)) -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    let now = clock_gettime(ClockId::RealtimeCoarse);
    let into_second = Duration::from_nanos(now.tv_nsec.cast_unsigned());
    // Some file systems have whole seconds.
    if nanosecond == 0 && second == now.tv_sec {
        return Some(Duration::from_secs(1).saturating_sub(into_second));
    }
    let seconds = u64::try_from(second.checked_sub(now.tv_sec)?).ok().filter(|&ahead| ahead <= 1)?;
    let ahead = Duration::new(seconds, 0) + Duration::from_nanos(nanosecond);
    ahead.checked_sub(into_second).filter(|ahead| *ahead < 2 * TICK).map(|_| TICK)
}

/// Elsewhere it is as fine as any.
#[cfg(not(target_os = "linux"))]
fn tick_left(_changed: (i64, u64)) -> Option<Duration> {
    None
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
    /// Of a regular file that is about to be read; anything else is refused.
    ///
    /// Another write in the tick of the last one would leave no trace, so a file that was written in this
    /// moment is waited for. (Linux 6.13 and later note such writes by themselves, on most file systems.)
    pub(in crate::work) fn before(file: &File) -> Result<Self, ReadError> {
        let mut stamp = Self::of(file)?;
        for _ in 0..TICKS_MAX {
            let Some(left) = tick_left(stamp.changed) else { break };
            // Its time is that of the first look at it, and says nothing of its content.
            if is_made_up(file) {
                break;
            }
            std::thread::sleep(left);
            stamp = Self::of(file)?;
            if left > TICK {
                break;
            }
        }
        Ok(stamp)
    }

    /// Of a regular file.
    ///
    /// By `fstat`: the standard library asks with `statx` and an empty path, which costs a small
    /// file about a tenth more.
    fn of(file: &File) -> Result<Self, ReadError> {
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
        self.judge(&Self::of(file)?, bytes, || is_made_up(file)).map_err(ReadError::Refused)
    }

    /// Its end was read, so it may have more bytes than its size says: that is 0 where nobody knows it before,
    /// as in proc and many a FUSE file system. Fewer bytes may be the mistake of whoever serves the file, and
    /// are taken from the kernel alone.
    fn judge(&self, after: &Self, bytes: u64, is_made_up: impl FnOnce() -> bool) -> Result<(), &'static str> {
        if self != after {
            let is_told = self.len != after.len || bytes == self.len;
            return Err(if is_told { CHANGED } else { CHANGED_OR_UNTOLD });
        }
        if bytes < self.len && !is_made_up() {
            return Err("ended before its size says, so a part of it may be missing");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    // Fails without the wait where the system's stamps are as coarse as its ticks: on Linux before 6.13, and
    // on a ramfs at any time.
    #[test]
    fn a_write_in_the_same_moment_as_the_one_before_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        for round in 0..50 {
            let path = directory.path().join(round.to_string());
            fs::write(&path, "old").expect("written");
            let file = File::options().read(true).write(true).open(&path).expect("opened");
            let before = Stamp::before(&file).expect("a regular file");
            (&file).write_all(b"new").expect("written");
            assert!(before.check(&file, 3).is_err(), "round {round}");
        }
    }

    #[test]
    fn a_size_may_say_too_little_but_not_too_much() {
        let stamp = |len| Stamp { len, modified: (1, 0), changed: (1, 0) };
        let judge = |before, after, bytes, made_up| stamp(before).judge(&stamp(after), bytes, || made_up).err();
        assert_eq!(judge(5, 5, 5, false), None);
        assert_eq!(judge(0, 0, 5, false), None);
        assert_eq!(judge(4096, 4096, 5, true), None);
        assert!(judge(5, 5, 4, false).is_some_and(|why| why.contains("a part of it may be missing")));
        // Whatever was read, and whoever serves it.
        for (before, after) in [(5, 6), (6, 5), (0, 5)] {
            assert!(judge(before, after, 5, true).is_some_and(|why| why.starts_with("changed")));
        }
        let touched = |len| Stamp { modified: (2, 0), ..stamp(len) };
        assert_eq!(stamp(5).judge(&touched(5), 5, || true), Err("changed while it was read"));
        let made_up = stamp(0).judge(&touched(0), 5, || true).expect_err("nothing shows that it held still");
        assert!(made_up.contains("tells another time at each look"), "{made_up}");
    }

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

    #[test]
    #[cfg(target_os = "linux")]
    fn no_time_is_waited_for_that_has_passed_or_is_far_ahead() {
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()).expect("before 2200");
        // The clock of files may be a tick behind.
        for second in [0, now - 2, now + 5, i64::MAX, i64::MIN] {
            assert_eq!(tick_left((second, 0)), None, "{second}");
            assert_eq!(tick_left((second, 999_999_999)), None, "{second}");
        }
        // One of them is this second.
        let left = (now..=now + 1).filter_map(|second| tick_left((second, 0))).max().expect("it is now");
        assert!(left <= Duration::from_secs(1) && left > Duration::ZERO, "{left:?}");
    }
}
