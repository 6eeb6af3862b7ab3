//! Depth first through one root.
//!
//! Not the `walkdir` package: it lists a directory before a filter can prune it, so that a resume
//! would list every directory beside its path again; it sorts before it follows links, so that a
//! followed directory stands in the wrong place; and it holds a full path for each entry.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, open, statat};
use shared::path::PathBytes;
use shared::workload::files::Links;

use super::listing::{Entry, Kind, Listing, beneath, reason};
use super::walk::What;

const LOOP: &str = "a loop of links";
const OUTSIDE: &str = "leads outside its root; use --follow-outside to allow it";

/// The system's number for too many links in a path; std has no stable name for it.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// The walk of one root.
#[derive(Debug)]
pub(super) struct Tree {
    links: Links,
    /// The root without links, where links have to stay beneath it.
    canonical_root: Option<PathBuf>,
    /// The directory being visited, for the operating system.
    local: PathBuf,
    /// The same, open, once a file in it was looked at.
    dir: Option<OwnedFd>,
    /// The same relative to the root: empty, or with a slash at its end.
    relative: Vec<u8>,
    /// The directories from the root to the one being visited.
    chain: Vec<Level>,
    /// Where a resumed walk begins, relative to the directory being visited, as long as the next
    /// entry is the directory that it lies in. Empty otherwise.
    after: Vec<u8>,
}

/// A directory that is being visited.
#[derive(Debug)]
struct Level {
    listing: Listing,
    /// Bytes of the relative path without it.
    above: usize,
    /// Device and inode, where links are followed.
    identity: Option<(u64, u64)>,
    /// Why it could not be listed to its end. Told when the rest is done, so that the place of
    /// this finding is behind all that was listed.
    error: Option<String>,
}

impl Tree {
    /// Through all of `root`, from behind `after` if that is not empty.
    pub(super) fn new(root: &Path, links: Links, after: &[u8]) -> Self {
        let canonical_root = (links == Links::FollowInside).then(|| fs::canonicalize(root).ok()).flatten();
        let (local, relative, chain) = (root.to_owned(), Vec::new(), Vec::new());
        let mut tree = Self { links, canonical_root, local, dir: None, relative, chain, after: Vec::new() };
        let identity = if links == Links::Skip { None } else { tree.identify().ok() };
        tree.enter(0, identity, after);
        tree
    }

    /// The next finding and its place.
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

    /// What the entry that `local` and `relative` name now is; nothing for a directory, which is
    /// gone into instead.
    fn visit(&mut self, entry: Entry, above: usize) -> Option<What> {
        Some(match entry.kind {
            Kind::Directory => match self.descend(entry, above) {
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

    fn descend(&mut self, entry: Entry, above: usize) -> Result<(), String> {
        let after = std::mem::take(&mut self.after);
        let after = beneath(&after, &self.relative[above..]).unwrap_or_default();
        self.relative.push(b'/');
        if self.links == Links::Skip {
            self.enter(above, None, after);
            return Ok(());
        }
        self.check_inside(entry)?;
        let identity = Some(self.identify()?);
        // A link that leads up past the root makes ordinary directories come round again, so all
        // are compared, not only links.
        if self.chain.iter().any(|level| level.identity == identity) {
            return Err(LOOP.to_owned());
        }
        self.enter(above, identity, after);
        Ok(())
    }

    fn enter(&mut self, above: usize, identity: Option<(u64, u64)>, after: &[u8]) {
        self.dir = None;
        let (mut listing, error) = Listing::read(&self.local, self.links != Links::Skip);
        if !after.is_empty() && listing.pass(after) {
            self.after = after.to_vec();
        }
        self.chain.push(Level { listing, above, identity, error: error.as_ref().map(reason) });
    }

    fn leave(&mut self) -> Option<(PathBytes, What)> {
        self.dir = None;
        let level = self.chain.pop()?;
        let finding = level.error.map(|error| (PathBytes(self.relative.clone()), What::Failed(error)));
        if !self.chain.is_empty() {
            self.local.pop();
            self.relative.truncate(level.above);
        }
        finding
    }

    fn file(&mut self, entry: Entry, above: usize) -> Result<What, String> {
        self.check_inside(entry)?;
        let size = self.size(entry, above).map_err(|error| reason(&error))?;
        Ok(What::File { size, links: self.links })
    }

    /// The size of the file that `local` names now, asked of its open directory: the way there
    /// along the whole path costs more than the question.
    fn size(&mut self, entry: Entry, above: usize) -> io::Result<u64> {
        let dir = match self.dir.take() {
            Some(dir) => dir,
            None => {
                let parent = self.local.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
                open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?
            }
        };
        let flags = if entry.linked { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let stat = statat(self.dir.insert(dir), &self.relative[above..], flags)?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    fn broken(&self, entry: Entry) -> String {
        match fs::metadata(&self.local) {
            Err(error) if entry.linked && error.kind() == io::ErrorKind::NotFound => "a dangling link".to_owned(),
            Err(error) if error.raw_os_error() == Some(ELOOP) => LOOP.to_owned(),
            Err(error) => reason(&error),
            Ok(_) => "changed while its directory was listed".to_owned(),
        }
    }

    fn check_inside(&self, entry: Entry) -> Result<(), String> {
        if !entry.linked || self.links != Links::FollowInside {
            return Ok(());
        }
        let target = fs::canonicalize(&self.local).map_err(|error| reason(&error))?;
        let inside = self.canonical_root.as_ref().is_some_and(|root| target.starts_with(root));
        if inside { Ok(()) } else { Err(OUTSIDE.to_owned()) }
    }

    fn identify(&self) -> Result<(u64, u64), String> {
        let metadata = fs::metadata(&self.local).map_err(|error| reason(&error))?;
        Ok((metadata.dev(), metadata.ino()))
    }
}
