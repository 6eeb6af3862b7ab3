//! Walks one root depth first.
//!
//! The `walkdir` package does not fit: it sorts before it follows links, so a followed directory
//! stands in the wrong place; it opens directories by their paths, which may lead elsewhere
//! meanwhile; and it holds a full path for each entry.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, open, openat, statat};
use rustix::io::Errno;
use shared::protocol::path::PathBytes;
use shared::protocol::workload::files::{Links, Times};
use shared::system::beneath::{Beneath, DirectoryIdentity, os_text};

use super::finding::What;
use super::listing::{Entry, Kind, Listing};
use super::own::{self, Identity, Own};
use super::root::{LIST, Root};

const LOOP: &str = "a loop of links";

/// The error number for too many links in a path; std has no stable name for it.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// Flags to open a file only for its attributes, where the system supports that.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The walk of one root.
///
/// It walks the directory that the root's path led to at the beginning. If the path leads elsewhere
/// at the end, the root fails: the planned files are not there.
///
/// A directory is opened beneath the root before it is listed. So a link that takes its place leads
/// nowhere, and not even names from outside are revealed.
#[derive(Debug)]
pub(super) struct Tree {
    links: Links,
    own: Own,
    /// The root, unless it cannot be opened.
    root: Option<Root>,
    beneath: Beneath,
    /// Path of the current directory for the operating system.
    local: PathBuf,
    /// The current directory, open. `None` after the walk has returned to it, until it needs it.
    dir: Option<OwnedFd>,
    /// Path of the current directory relative to the root: empty, or with a slash at its end.
    relative: Vec<u8>,
    /// The directories from the root to the current one.
    chain: Vec<Level>,
}

/// A directory that is being visited.
#[derive(Debug)]
struct Level {
    listing: Listing,
    /// Length of the parent's relative path, bytes.
    above: usize,
    /// Set where links are followed, or where the command's own files may lie in the directory.
    identity: Option<Identity>,
    /// Why it could not be listed to its end. Reported after its entries.
    error: Option<String>,
}

impl Tree {
    /// Walks all of `root`, which must be the `expected` directory if that is given.
    pub(super) fn new(root: &Path, expected: Option<DirectoryIdentity>, links: Links, own: Own) -> Self {
        Self::with(Beneath::default(), root, expected, links, own)
    }

    pub(super) fn with(
        beneath: Beneath,
        root: &Path,
        expected: Option<DirectoryIdentity>,
        links: Links,
        own: Own,
    ) -> Self {
        let opened = Root::open(root, expected, links);
        let (local, relative, chain) = (root.to_owned(), Vec::new(), Vec::new());
        let (root, error) = match opened {
            Ok(root) => (Some(root), None),
            Err(reason) => (None, Some(reason)),
        };
        let dir = None;
        let mut tree = Self { links, own, root, beneath, local, dir, relative, chain };
        if let Err(reason) = error.map_or(Ok(()), Err).and_then(|()| tree.enter(0)) {
            tree.give_up(0, reason);
        }
        tree
    }

    /// The next finding and its path relative to the root.
    pub(super) fn next(&mut self) -> Option<(PathBytes, What)> {
        loop {
            let level = self.chain.last_mut()?;
            let Some((entry, name)) = level.listing.next() else {
                if let Some(finding) = self.leave() {
                    return Some(finding);
                }
                continue;
            };
            let above = self.relative.len();
            self.local.push(name);
            self.relative.extend_from_slice(name.as_bytes());
            if let Some(what) = self.visit(entry, above) {
                let at = PathBytes(self.relative.clone());
                self.local.pop();
                self.relative.truncate(above);
                return Some((at, what));
            }
        }
    }

    /// Examines the entry that `local` and `relative` name. `None` for a directory, which is
    /// entered instead.
    fn visit(&mut self, entry: Entry, above: usize) -> Option<What> {
        Some(match entry.kind {
            Kind::Directory => match self.descend(above) {
                Ok(()) => return None,
                Err(reason) => What::Failed(reason),
            },
            Kind::File => self.file(entry, above).unwrap_or_else(What::Failed),
            Kind::Broken => What::Failed(self.broken(entry)),
            Kind::Symlink => What::Skipped("symlink"),
            Kind::Fifo => What::Skipped("fifo"),
            Kind::Socket => What::Skipped("socket"),
            Kind::Device => What::Skipped("device"),
        })
    }

    fn descend(&mut self, above: usize) -> Result<(), String> {
        self.relative.push(b'/');
        self.enter(above)
    }

    /// Enters and lists the directory that `local` and `relative` name.
    fn enter(&mut self, above: usize) -> Result<(), String> {
        let opened = self.open(&self.relative, &self.local);
        let dir = match (opened, self.links) {
            (Ok(dir), _) => dir,
            // Reported in its place in the order, like a directory that cannot be listed to its
            // end.
            (Err(reason), Links::Skip) => {
                self.give_up(above, reason);
                return Ok(());
            }
            (Err(reason), _) => return Err(reason),
        };
        let mut identity = None;
        if self.links != Links::Skip || self.own.has_places() {
            let stat = fstat(&dir).map_err(|errno| os_text(&errno.into()))?;
            identity = Some(own::identity(&stat));
        }
        if self.links != Links::Skip {
            // A link to above the root leads back to ordinary directories, so all directories are
            // compared, not only links.
            if self.chain.iter().any(|level| level.identity == identity) {
                return Err(LOOP.to_owned());
            }
        }
        let (listing, error) = Listing::read(dir.as_fd(), self.links != Links::Skip);
        self.dir = Some(dir);
        self.chain.push(Level { listing, above, identity, error: error.as_ref().map(os_text) });
        Ok(())
    }

    /// Records a directory that cannot be opened.
    fn give_up(&mut self, above: usize, reason: String) {
        self.dir = None;
        self.chain.push(Level { listing: Listing::default(), above, identity: None, error: Some(reason) });
    }

    /// Opens the directory at `relative` beneath the root; `local` is the same path for the system.
    fn open(&self, relative: &[u8], local: &Path) -> Result<OwnedFd, String> {
        let told = |errno: Errno| os_text(&errno.into());
        let Some(root) = &self.root else { return Err(told(Errno::NOENT)) };
        let path = relative.strip_suffix(b"/").unwrap_or(relative);
        if path.is_empty() {
            return openat(root, ".", LIST, Mode::empty()).map_err(told);
        }
        match (self.beneath.open(root.as_fd(), path, LIST), self.links) {
            (Err(Errno::LOOP), Links::Skip) => Err("a symbolic link is in its path now".to_owned()),
            (Err(Errno::LOOP), Links::FollowInside) => {
                let opened = match &*root.inside(local)? {
                    b"" => openat(root, ".", LIST, Mode::empty()),
                    inside => self.beneath.open(root.as_fd(), inside, LIST),
                };
                opened.map_err(told)
            }
            (Err(Errno::LOOP), Links::FollowAnywhere) => open(local, LIST, Mode::empty()).map_err(told),
            (opened, _) => opened.map_err(told),
        }
    }

    fn leave(&mut self) -> Option<(PathBytes, What)> {
        self.dir = None;
        let level = self.chain.pop()?;
        let replaced = || self.root.as_ref().filter(|_| self.chain.is_empty())?.replacement();
        let finding =
            level.error.or_else(replaced).map(|error| (PathBytes(self.relative.clone()), What::Failed(error)));
        if !self.chain.is_empty() {
            self.local.pop();
            self.relative.truncate(level.above);
        }
        finding
    }

    fn file(&mut self, entry: Entry, above: usize) -> Result<What, String> {
        let is_inside = entry.linked && self.links == Links::FollowInside;
        let stat = if is_inside { self.stat_inside()? } else { self.stat(entry, above)? };
        let directory = self.chain.last().and_then(|level| level.identity);
        let is_own = self.own.has(&stat, directory, &self.relative[above..]);
        if is_own || (entry.linked && self.own.is_replaced(&self.local)) {
            return Ok(What::OWN);
        }
        let nanos = |nanos| i64::try_from(nanos).unwrap_or(0);
        let times = Times::new((stat.st_mtime, nanos(stat.st_mtime_nsec)), (stat.st_ctime, nanos(stat.st_ctime_nsec)));
        Ok(What::File { size: u64::try_from(stat.st_size).unwrap_or(0), times, links: self.links })
    }

    /// Attributes of the file that the link `local` leads to, which must be beneath the root.
    fn stat_inside(&self) -> Result<Stat, String> {
        let told = |errno: Errno| os_text(&errno.into());
        let root = self.root.as_ref().ok_or_else(|| told(Errno::NOENT))?;
        let target = root.inside(&self.local)?;
        let file = self.beneath.open(root.as_fd(), &target, LOOK).map_err(told)?;
        fstat(&file).map_err(told)
    }

    /// Attributes of the file that `local` names, relative to its open directory: resolving the
    /// whole path would cost more than the query itself.
    fn stat(&mut self, entry: Entry, above: usize) -> Result<Stat, String> {
        let dir = match self.dir.take() {
            Some(dir) => dir,
            None => self.open(&self.relative[..above], self.local.parent().unwrap_or(&self.local))?,
        };
        let flags = if entry.linked { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        statat(self.dir.insert(dir), &self.relative[above..], flags).map_err(|errno| os_text(&errno.into()))
    }

    fn broken(&self, entry: Entry) -> String {
        match fs::metadata(&self.local) {
            Err(error) if entry.linked && error.kind() == io::ErrorKind::NotFound => "a dangling link".to_owned(),
            Err(error) if error.raw_os_error() == Some(ELOOP) => LOOP.to_owned(),
            Err(error) => os_text(&error),
            Ok(_) => "changed while its directory was listed".to_owned(),
        }
    }
}
