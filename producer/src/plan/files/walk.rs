//! The walk of a job: its starts, one after the other, as a stream of findings.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use shared::protocol::path::PathBytes;
use shared::protocol::workload::files::{Links, Selection, Times};
use shared::system::beneath::{DirectoryIdentity, os_text};

use super::finding::{Finding, What};
use super::own::Own;
use super::tree::Tree;

/// The stream of findings, in the order of the report.
#[derive(Debug)]
pub(super) struct Walk {
    selection: Selection,
    dirs: Vec<PathBuf>,
    /// The directory that each root must be, where that is known.
    expected: Vec<Option<DirectoryIdentity>>,
    own: Own,
    start: usize,
    tree: Option<Tree>,
}

impl Walk {
    pub(super) fn new(selection: Selection, dirs: Vec<PathBuf>) -> Self {
        let expected = vec![None; dirs.len()];
        Self { selection, dirs, expected, own: Own::default(), start: 0, tree: None }
    }

    /// Fails a root that is not the directory which `identity` returns for its name.
    pub(super) fn expect(&mut self, identity: &dyn Fn(&str) -> Option<DirectoryIdentity>) {
        self.expected = self.selection.roots.iter().map(|root| identity(&root.name)).collect();
    }

    pub(super) fn leave_out(&mut self, own: Own) {
        self.own = own;
    }

    pub(super) fn selection(&self) -> &Selection {
        &self.selection
    }
}

impl Iterator for Walk {
    type Item = Finding;

    fn next(&mut self) -> Option<Finding> {
        loop {
            let begin = self.selection.starts.get(self.start)?;
            let (root, dir) = (begin.root, &self.dirs[begin.root]);
            if let Some(tree) = &mut self.tree {
                if let Some((at, what)) = tree.next() {
                    return Some(Finding { root, at, what });
                }
                self.tree = None;
                self.start += 1;
                continue;
            }
            match &begin.file {
                Some(file) => {
                    let (at, what) = (file.clone(), lone_file(dir, file, self.selection.links, &self.own));
                    self.start += 1;
                    return Some(Finding { root, at, what });
                }
                None => {
                    let (expected, links) = (self.expected[root], self.selection.links);
                    self.tree = Some(Tree::new(dir, expected, links, self.own.clone()));
                }
            }
        }
    }
}

/// A file that the user named. If it is a link, it is followed wherever it leads: the job's rule
/// for links applies only to links found by a walk.
fn lone_file(dir: &Path, file: &PathBytes, links: Links, own: &Own) -> What {
    let path = dir.join(std::ffi::OsStr::from_bytes(file.as_bytes()));
    let look = || {
        let is_link = fs::symlink_metadata(&path)?.file_type().is_symlink();
        let metadata = fs::metadata(&path)?;
        let inside = !is_link || fs::canonicalize(&path)?.starts_with(fs::canonicalize(dir)?);
        Ok((is_link, inside, metadata))
    };
    match look() {
        Err(error) => What::Failed(os_text(&error)),
        Ok((.., metadata)) if !metadata.is_file() => What::Failed("no longer a regular file".to_owned()),
        Ok(_) if own.is_at(&path) => What::OWN,
        Ok((is_link, inside, metadata)) => {
            let links = match (is_link, inside, links) {
                (false, _, links) | (true, _, links @ Links::FollowAnywhere) => links,
                (true, true, _) => Links::FollowInside,
                (true, false, _) => Links::FollowAnywhere,
            };
            let times =
                Times::new((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
            What::File { size: metadata.len(), times, links }
        }
    }
}
