//! Opens files beneath a directory and never outside it, even if directories change meanwhile.
//!
//! # Invariant
//! A file is reached from an open directory, component by component, without following a link. The
//! kernel does this (`openat2`), or this module if the kernel has no such call or a sandbox forbids
//! it. So a link that replaces a directory after a check is not followed either.

mod identity;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

pub use identity::DirectoryIdentity;

/// Flags for passing through a directory. On systems with `O_PATH` this needs no right to list it.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The operating system's text for an error, without the error's number.
pub fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}

#[derive(Debug, Default)]
pub struct Beneath {
    /// Set once `openat2` proves missing or forbidden.
    by_hand: AtomicBool,
}

impl Beneath {
    /// Behaves as if `openat2` were missing. For tests.
    pub fn forgo_openat2(&self) {
        self.by_hand.store(true, Ordering::Relaxed);
    }

    /// Opens `path` beneath `dir`. `path` must have no empty, `.` or `..` component. A link in it,
    /// even as the last component, is [`Errno::LOOP`].
    pub fn open(&self, dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        #[cfg(target_os = "linux")]
        if !self.by_hand.load(Ordering::Relaxed) {
            use rustix::fs::{ResolveFlags, openat2};
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            let opened = openat2(dir, path, flags, Mode::empty(), resolve);
            // Old sandboxes answer EPERM to calls that they do not know.
            if !matches!(opened, Err(Errno::NOSYS | Errno::PERM)) {
                return opened;
            }
            let opened = by_hand(dir, path, flags);
            self.by_hand.store(opened.is_ok(), Ordering::Relaxed);
            return opened;
        }
        by_hand(dir, path, flags)
    }

    /// Opens the directory `path` beneath `dir`, only for opening files beneath it.
    pub fn pass(&self, dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(dir, path, PASS)
    }
}

/// Opens a directory that the user named, for opening files beneath it. Links in its path are
/// followed.
pub fn open_directory(dir: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(dir, PASS, Mode::empty())
}

/// Opens component by component without following links.
fn by_hand(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut parents: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
    let name = parents.pop().unwrap_or_default();
    if path.is_empty() || parents.iter().chain([&name]).any(|part| matches!(*part, b"" | b"." | b"..")) {
        return Err(Errno::XDEV);
    }
    let mut reached: Option<OwnedFd> = None;
    for part in parents {
        let at = reached.as_ref().map_or(dir, OwnedFd::as_fd);
        reached = Some(one(at, part, PASS)?);
    }
    one(reached.as_ref().map_or(dir, OwnedFd::as_fd), name, flags)
}

/// Opens one component. Opening a link as a directory fails with "not a directory"; this returns
/// the same error as `openat2`, which says that it is a link.
fn one(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let is_link = || {
        statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    };
    match openat(dir, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOTDIR) if is_link() => Err(Errno::LOOP),
        opened => opened,
    }
}
