//! The files that a command writes itself: its report, its state, and files that its output streams
//! go to.
//!
//! They may lie in the tree that the command walks, and change meanwhile. An open file is
//! recognized by device and inode, since it may have several names. A file that will be replaced at
//! the end is recognized by its directory and name: other names of the old file keep its content.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{stderr, stdout};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Dev, FileType, Stat, fstat, stat};
use shared::system::draft::is_draft;

/// Device and inode.
pub(super) type Identity = (Dev, u64);

pub(super) fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

/// The command's own files, which a walk leaves out.
#[derive(Debug, Clone, Default)]
pub struct Own(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    files: BTreeSet<Identity>,
    /// Directories, each with the name of a file in it that will be replaced.
    places: BTreeSet<(Identity, Vec<u8>)>,
}

impl Own {
    /// The files at the paths `open`, as far as they exist; the places `replaced`, whose new
    /// content is written beside them first; and the files that standard output, standard error and
    /// `descriptors` go to.
    pub fn of<P: AsRef<Path>>(
        open: impl IntoIterator<Item = P>,
        replaced: impl IntoIterator<Item = P>,
        descriptors: &[BorrowedFd<'_>],
    ) -> Self {
        let streams = [fstat(stdout()), fstat(stderr())].into_iter().chain(descriptors.iter().map(fstat));
        let files = open.into_iter().map(|path| stat(path.as_ref())).chain(streams).flatten();
        let is_file = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let known = Known {
            files: files.filter(is_file).map(|stat| identity(&stat)).collect(),
            places: replaced.into_iter().filter_map(|path| place(path.as_ref())).collect(),
        };
        Self(Arc::new(known))
    }

    /// Only the files that standard output and standard error go to.
    pub fn streams() -> Self {
        Self::of(std::iter::empty::<&Path>(), std::iter::empty(), &[])
    }

    /// Whether a walk must identify its directories.
    pub(super) fn has_places(&self) -> bool {
        !self.0.places.is_empty()
    }

    /// Whether `file`, found by this name in this directory, is one of them. Without a known
    /// directory, places are not compared.
    pub(super) fn has(&self, file: &Stat, directory: Option<Identity>, name: &[u8]) -> bool {
        let Known { files, places } = &*self.0;
        let is_in = |directory: Identity| {
            let in_it = |place: &&(Identity, Vec<u8>)| place.0 == directory;
            places.iter().filter(in_it).any(|(_, place)| place == name || is_draft(name))
        };
        files.contains(&identity(file)) || directory.is_some_and(is_in)
    }

    /// Whether this path, which may be a link, leads to one of them. A draft file that the user
    /// named is not left out.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        stat(path).is_ok_and(|file| self.0.files.contains(&identity(&file))) || self.is_replaced(path)
    }

    /// Whether this path, which may be a link, leads to a place where a file will be replaced.
    pub(super) fn is_replaced(&self, path: &Path) -> bool {
        let place = || place(&fs::canonicalize(path).ok()?);
        self.has_places() && place().is_some_and(|at| self.0.places.contains(&at))
    }
}

fn place(path: &Path) -> Option<(Identity, Vec<u8>)> {
    let directory = path.parent()?;
    let directory = stat(directory).ok()?;
    Some((identity(&directory), path.file_name().map(OsStr::as_bytes)?.to_vec()))
}
