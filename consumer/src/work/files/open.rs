//! Opening beneath a root, never outside, whatever changes meanwhile.
//!
//! # Invariants
//! - A file is reached from an open directory, component by component, without following a link:
//!   by the kernel (`openat2`), or here where the kernel has no such call or a sandbox forbids it.
//!   So a link that is swapped in for a directory after any check is not followed either.
//! - Where a job follows links, they are resolved to a path without links first, and that path is
//!   opened in the same way: what was resolved may be stale, but never leads further than allowed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use shared::workload::files::Links;

use super::read::NOT_REGULAR;

/// Why a file is not opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The operating system refused.
    Os(io::Error),
    /// It is not opened on principle.
    Refused(&'static str),
}

/// A root that this process serves.
#[derive(Debug)]
pub(in crate::work) struct RootDir {
    dir: OwnedFd,
    /// Its path without links, for telling whether a link's target is beneath it.
    canonical: PathBuf,
    /// `openat2` is missing or forbidden here.
    by_hand: AtomicBool,
}

/// `NONBLOCK`: a FIFO put in the file's place must not stop the thread.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

impl RootDir {
    pub(in crate::work) fn open(dir: &Path) -> io::Result<Self> {
        let canonical = fs::canonicalize(dir)?;
        let dir = open_directory(&canonical)?;
        Ok(Self { dir, canonical, by_hand: AtomicBool::new(false) })
    }

    /// Opens as where `openat2` is missing.
    #[cfg(test)]
    pub(in crate::work) fn forgo_openat2(&self) {
        self.by_hand.store(true, Ordering::Relaxed);
    }

    fn open_followed(&self, path: &[u8], links: Links, follow_outside: bool) -> Result<File, OpenError> {
        let target = fs::canonicalize(self.canonical.join(OsStr::from_bytes(path))).map_err(OpenError::Os)?;
        let (from, rest) = match (target.strip_prefix(&self.canonical), links) {
            (Ok(rest), _) => (None, rest),
            (Err(_), Links::FollowAnywhere) if follow_outside => {
                let slash = open_directory(Path::new("/")).map_err(OpenError::Os)?;
                (Some(slash), target.strip_prefix("/").unwrap_or(&target))
            }
            (Err(_), Links::FollowAnywhere) => {
                return Err(OpenError::Refused("leads outside its root; start the consumer with --follow-outside"));
            }
            (Err(_), Links::FollowInside | Links::Skip) => {
                return Err(OpenError::Refused("leads outside its root"));
            }
        };
        if rest.as_os_str().is_empty() {
            return Err(OpenError::Refused(NOT_REGULAR));
        }
        let from = from.as_ref().map_or(self.dir.as_fd(), OwnedFd::as_fd);
        match self.beneath(from, rest.as_os_str().as_bytes(), FILE) {
            Err(Errno::LOOP) => Err(OpenError::Refused("its links changed while they were followed")),
            opened => told(opened),
        }
    }

    fn beneath(&self, dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
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
}

/// Opens the files of one batch. Neighbours share the directory that they lie in: it is reached from
/// the root once, and then they are one component away.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    root: &'a RootDir,
    links: Links,
    follow_outside: bool,
    /// The last directory, by its path beneath the root.
    near: Option<(Vec<u8>, OwnedFd)>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(root: &'a RootDir, links: Links, follow_outside: bool) -> Self {
        Self { root, links, follow_outside, near: None }
    }

    /// Opens the file at `path` for reading. `path` has no empty, `.` or `..` component.
    pub(super) fn open_file(&mut self, path: &[u8]) -> Result<File, OpenError> {
        match (self.open_near(path), self.links) {
            (Err(Errno::LOOP), Links::Skip) => Err(OpenError::Refused("a symbolic link is in its path now")),
            (Err(Errno::LOOP), links) => self.root.open_followed(path, links, self.follow_outside),
            (opened, _) => told(opened),
        }
    }

    fn open_near(&mut self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else {
            return openat(&self.root.dir, path, FILE | OFlags::NOFOLLOW, Mode::empty());
        };
        let (parent, name) = (&path[..slash], &path[slash + 1..]);
        if self.near.as_ref().is_none_or(|(near, _)| near != parent) {
            match self.root.beneath(self.root.dir.as_fd(), parent, PASS.difference(OFlags::NOFOLLOW)) {
                Ok(dir) => self.near = Some((parent.to_vec(), dir)),
                // The whole path tells what is wrong with it.
                Err(_) => return self.root.beneath(self.root.dir.as_fd(), path, FILE),
            }
        }
        let dir = self.near.as_ref().map_or(self.root.dir.as_fd(), |(_, dir)| dir.as_fd());
        // One component that is no link cannot lead out.
        openat(dir, name, FILE | OFlags::NOFOLLOW, Mode::empty())
    }
}

fn told(opened: Result<OwnedFd, Errno>) -> Result<File, OpenError> {
    match opened {
        Ok(file) => Ok(File::from(file)),
        // What a socket, or a device without a driver, answers.
        Err(Errno::NXIO | Errno::NODEV) => Err(OpenError::Refused(NOT_REGULAR)),
        Err(errno) => Err(OpenError::Os(errno.into())),
    }
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
        let next = openat(at, part, PASS, Mode::empty()).map_err(|errno| tell_link(at, part, errno))?;
        reached = Some(next);
    }
    let at = reached.as_ref().map_or(dir, OwnedFd::as_fd);
    openat(at, name, flags | OFlags::NOFOLLOW, Mode::empty())
}

/// Passing through a directory needs no right to list it, where the system knows such a thing.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opening a link as a directory says "not a directory"; `openat2` says that it is a link.
fn tell_link(at: BorrowedFd<'_>, part: &[u8], errno: Errno) -> Errno {
    let is_link = || {
        statat(at, part, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    };
    if errno == Errno::NOTDIR && is_link() { Errno::LOOP } else { errno }
}

fn open_directory(dir: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, PASS.difference(OFlags::NOFOLLOW), Mode::empty())?)
}

/// Whether this process lacks descriptors or memory.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
