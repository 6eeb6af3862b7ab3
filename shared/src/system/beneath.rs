//! Opening beneath a directory, never outside, whatever changes meanwhile.
//!
//! # Invariant
//! What is opened is reached from an open directory, component by component, without following a
//! link: by the kernel (`openat2`), or here where the kernel has no such call or a sandbox forbids it.
//! So a link that is swapped in for a directory after any check is not followed either.

mod identity;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

pub use identity::DirectoryIdentity;

/// Passing through a directory needs no right to list it, where the system knows such a thing.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An error of the operating system in its words, without its number.
pub fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// Opens things beneath directories.
#[derive(Debug, Default)]
pub struct Beneath {
    /// `openat2` is missing or forbidden here.
    by_hand: AtomicBool,
}

impl Beneath {
    /// Goes on as where `openat2` is missing: for tests of that.
    pub fn forgo_openat2(&self) {
        self.by_hand.store(true, Ordering::Relaxed);
    }

    /// Opens `path`, which has no empty, `.` or `..` component, beneath `dir`. A link in it, at its
    /// end as well, is [`Errno::LOOP`].
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

    /// Opens the directory `path` beneath `dir`, for opening in it alone.
    pub fn pass(&self, dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(dir, path, PASS)
    }
}

/// Opens a directory that the user named, links and all, for opening beneath it.
pub fn open_directory(dir: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(dir, PASS, Mode::empty())
}

/// Opens component by component, following no link.
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

/// Opening a link as a directory says "not a directory"; `openat2` says that it is a link.
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
