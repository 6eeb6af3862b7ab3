//! The root of a walk: the one directory that its path led to when the walk began.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use shared::protocol::workload::files::Links;
use shared::system::beneath::{DirectoryIdentity, os_text};

/// How a directory is opened that is to be listed.
pub(super) const LIST: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

const OUTSIDE: &str = "leads outside its root; use --follow-outside to allow it";

/// Told of a root where another directory than the one that is walked, or worked on, has its name.
const REPLACED: &str = "was replaced by another directory while the command ran";

/// A root that is open.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    dir: OwnedFd,
    identity: DirectoryIdentity,
    /// Its path without links, where links have to stay beneath it.
    canonical: Option<PathBuf>,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Root {
    /// Opens the directory at `path`, which has to be the one that is `expected`, if any is.
    pub(super) fn open(path: &Path, expected: Option<DirectoryIdentity>, links: Links) -> Result<Self, String> {
        let told = |error: io::Error| os_text(&error);
        let dir = open(path, LIST, Mode::empty()).map_err(|errno| told(errno.into()))?;
        let identity = DirectoryIdentity::of(&dir).map_err(told)?;
        let mut canonical = None;
        if links == Links::FollowInside {
            let without_links = fs::canonicalize(path).map_err(told)?;
            // What links lead to is compared with it, so it has to be the path of what is open.
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

    /// Where a path leads, links and all, relative to the root that it has to stay beneath. It may
    /// lead elsewhere by now, so what is found is opened without following links.
    pub(super) fn inside(&self, local: &Path) -> Result<Vec<u8>, String> {
        let target = fs::canonicalize(local).map_err(|error| os_text(&error))?;
        let inside = self.canonical.as_ref().and_then(|root| target.strip_prefix(root).ok());
        Ok(inside.ok_or_else(|| OUTSIDE.to_owned())?.as_os_str().as_bytes().to_vec())
    }

    /// Why it is not what its path leads to now, if it is not: then what was planned of it is not there.
    pub(super) fn replacement(&self) -> Option<String> {
        match DirectoryIdentity::at(&self.path) {
            Ok(now) if now == self.identity => None,
            Ok(_) => Some(REPLACED.to_owned()),
            Err(error) => Some(format!("went away while it was walked: {}", os_text(&error))),
        }
    }
}
