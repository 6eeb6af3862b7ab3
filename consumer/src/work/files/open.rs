//! Opens the files of a batch beneath their root: see [`shared::system::beneath`].
//!
//! Where a job follows links, a path is first resolved to one without links, which is then opened
//! in the same way. The resolved path may be stale by then, but it never leads outside.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use shared::protocol::workload::files::Links;
use shared::system::beneath::open_directory;

use super::root::OpenRoot;
use super::stamp::NOT_REGULAR;

/// Why a file is not opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The operating system returned an error.
    Os(io::Error),
    /// Packhorse does not open such a file. With the reason.
    Refused(&'static str),
}

/// `NONBLOCK`: a FIFO in the place of the file must not block the thread.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens a file whose path contains links.
fn open_followed(root: &OpenRoot, path: &[u8], links: Links, follow_outside: bool) -> Result<File, OpenError> {
    let canonical = root.canonical().ok_or(OpenError::Refused("its root was replaced while links were followed"))?;
    let target = fs::canonicalize(canonical.join(OsStr::from_bytes(path))).map_err(OpenError::Os)?;
    let (from, rest) = match (target.strip_prefix(canonical), links) {
        (Ok(rest), _) => (None, rest),
        (Err(_), Links::FollowAnywhere) if follow_outside => {
            let slash = open_directory(Path::new("/")).map_err(|errno| OpenError::Os(errno.into()))?;
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
    let from = from.as_ref().map_or(root.as_fd(), OwnedFd::as_fd);
    match root.beneath.open(from, rest.as_os_str().as_bytes(), FILE) {
        Err(Errno::LOOP) => Err(OpenError::Refused("its links changed while they were followed")),
        opened => told(opened),
    }
}

/// Opens the files of one batch. It keeps the last directory open, so that the next file in the
/// same directory needs no walk from the root.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    root: &'a OpenRoot,
    links: Links,
    follow_outside: bool,
    /// The last directory, with its path beneath the root.
    near: Option<(Vec<u8>, OwnedFd)>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(root: &'a OpenRoot, links: Links, follow_outside: bool) -> Self {
        Self { root, links, follow_outside, near: None }
    }

    /// Opens the file at `path` for reading. `path` has no empty, `.` or `..` component.
    pub(super) fn open_file(&mut self, path: &[u8]) -> Result<File, OpenError> {
        match (self.open_near(path), self.links) {
            (Err(Errno::LOOP), Links::Skip) => Err(OpenError::Refused("a symbolic link is in its path now")),
            (Err(Errno::LOOP), links) => open_followed(self.root, path, links, self.follow_outside),
            (opened, _) => told(opened),
        }
    }

    fn open_near(&mut self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else {
            return openat(self.root, path, FILE | OFlags::NOFOLLOW, Mode::empty());
        };
        let (parent, name) = (&path[..slash], &path[slash + 1..]);
        if self.near.as_ref().is_none_or(|(near, _)| near != parent) {
            match self.root.beneath.pass(self.root.as_fd(), parent) {
                Ok(dir) => self.near = Some((parent.to_vec(), dir)),
                // Opening the whole path gives the right error.
                Err(_) => return self.root.beneath.open(self.root.as_fd(), path, FILE),
            }
        }
        let dir = self.near.as_ref().map_or(self.root.as_fd(), |(_, dir)| dir.as_fd());
        // A single component cannot lead outside when links are not followed.
        openat(dir, name, FILE | OFlags::NOFOLLOW, Mode::empty())
    }
}

fn told(opened: Result<OwnedFd, Errno>) -> Result<File, OpenError> {
    match opened {
        Ok(file) => Ok(File::from(file)),
        // The errors for a socket, or a device without a driver.
        Err(Errno::NXIO | Errno::NODEV) => Err(OpenError::Refused(NOT_REGULAR)),
        Err(errno) => Err(OpenError::Os(errno.into())),
    }
}
