//! The root of a walk: the directory that its path led to when the walk began.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use shared::protocol::workload::files::Links;
use shared::system::beneath::{DirectoryIdentity, os_text};

/// Flags to open a directory for listing.
pub(super) const LIST: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

const OUTSIDE: &str = "leads outside its root; use --follow-outside to allow it";

/// The failure of a root whose path leads to another directory than the one that is walked.
const REPLACED: &str = "was replaced by another directory while the command ran";

#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    dir: OwnedFd,
    identity: DirectoryIdentity,
    /// The path without links, set only where links must stay beneath the root.
    canonical: Option<PathBuf>,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Root {
    /// Opens the directory at `path`. Fails if it is not the `expected` one, where that is given.
    pub(super) fn open(path: &Path, expected: Option<DirectoryIdentity>, links: Links) -> Result<Self, String> {
        let told = |error: io::Error| os_text(&error);
        let dir = open(path, LIST, Mode::empty()).map_err(|errno| told(errno.into()))?;
        let identity = DirectoryIdentity::of(&dir).map_err(told)?;
        let mut canonical = None;
        if links == Links::FollowInside {
            let without_links = fs::canonicalize(path).map_err(told)?;
            // Link targets are compared with this path, so it must lead to the open directory.
            if DirectoryIdentity::at(&without_links).map_err(told)? != identity {
                return Err(REPLACED.to_owned());
            }
            canonical = Some(without_links);
        }
        if expected.is_some_and(|expected| expected != identity) {
            return Err(REPLACED.to_owned());
        }
        Ok(Self { path: path.to_owned(), dir, identity, canonical })
    }

    /// Resolves all links of a path and returns it relative to the root, which it must not leave.
    /// The path may lead elsewhere afterwards, so the result must be opened without following
    /// links.
    pub(super) fn inside(&self, local: &Path) -> Result<Vec<u8>, String> {
        let target = fs::canonicalize(local).map_err(|error| os_text(&error))?;
        let inside = self.canonical.as_ref().and_then(|root| target.strip_prefix(root).ok());
        Ok(inside.ok_or_else(|| OUTSIDE.to_owned())?.as_os_str().as_bytes().to_vec())
    }

    /// The failure if the root's path leads to another directory by now: then the planned files are
    /// not there.
    pub(super) fn replacement(&self) -> Option<String> {
        match DirectoryIdentity::at(&self.path) {
            Ok(now) if now == self.identity => None,
            Ok(_) => Some(REPLACED.to_owned()),
            Err(error) => Some(format!("went away while it was walked: {}", os_text(&error))),
        }
    }
}
