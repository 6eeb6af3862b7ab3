//! The roots that this process may read, and how it may read them.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use shared::protocol::limits;
use shared::protocol::message::RootState;
use shared::protocol::path::PathBytes;
use shared::protocol::reason::Reason;
use shared::system::beneath::{DirectoryIdentity, os_text};

use super::WorkError;
use super::files::{Compare, OpenRoot, Root};

/// Why a root cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("cannot serve root {name:?} from {dir}: {reason}")]
    Unreachable { name: String, dir: String, reason: String },
    #[error("root {name:?} is given twice; each root has one directory")]
    Twice { name: String },
}

/// The roots that this process serves, and its rules for links and for changed files. Threads share
/// one.
#[derive(Debug, Default)]
pub struct Site {
    roots: BTreeMap<String, Root>,
    follow_outside: bool,
    compare: Compare,
}

impl Site {
    /// A site without roots: its tasks may read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves the files beneath `dir` as the root `name`. Each task opens the directory that the
    /// path leads to when the task begins: the path may be a link that changes with each release,
    /// or be mounted later.
    pub fn add_root(&mut self, name: &str, dir: &Path) -> Result<(), SiteError> {
        self.add(name, dir, Root::new)
    }

    /// The same, but the root stays the directory that `dir` leads to now. When the path leads to
    /// another directory, the root's tasks fail. For a process that plans and works in one run, and
    /// must not mix two trees.
    pub fn add_fixed_root(&mut self, name: &str, dir: &Path) -> Result<(), SiteError> {
        // Each held root takes a file descriptor.
        let held = self.roots.values().filter(|root| root.is_held()).count();
        self.add(name, dir, |name, dir| Root::fixed(name, dir, held < Root::HELD_MAX))
    }

    fn add(
        &mut self,
        name: &str,
        dir: &Path,
        open: impl FnOnce(&str, &Path) -> io::Result<Root>,
    ) -> Result<(), SiteError> {
        if self.roots.contains_key(name) {
            return Err(SiteError::Twice { name: name.to_owned() });
        }
        let unreachable = |error: io::Error| SiteError::Unreachable {
            name: name.to_owned(),
            dir: PathBytes::from(dir.as_os_str().as_bytes()).display(),
            reason: os_text(&error),
        };
        self.roots.insert(name.to_owned(), open(name, dir).map_err(unreachable)?);
        Ok(())
    }

    /// Allows jobs to follow links that lead outside their root.
    pub fn allow_follow_outside(&mut self) {
        self.follow_outside = true;
    }

    /// Sets what is compared between a file and its plan. The default is [`Compare::Nothing`].
    pub fn compare(&mut self, compare: Compare) {
        self.compare = compare;
    }

    pub(crate) fn compared(&self) -> Compare {
        self.compare
    }

    /// The file systems of at most [`limits::PRESENCE_ROOTS_MAX`] roots, for heartbeats. Empty
    /// where nothing is compared.
    pub(crate) fn root_states(&self) -> Vec<RootState> {
        if self.compare == Compare::Nothing {
            return Vec::new();
        }
        self.roots.values().filter_map(Root::state).take(limits::PRESENCE_ROOTS_MAX).collect()
    }

    /// The roots' names, in byte order.
    pub fn root_names(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }

    /// The directory of a fixed root; `None` for other roots.
    pub fn identity(&self, name: &str) -> Option<DirectoryIdentity> {
        self.roots.get(name)?.identity()
    }

    /// Opens a root for one task, which must [check](OpenRoot::check) it at the end. Waits up to
    /// [`limits::ROOT_PATIENCE`] for a root that cannot be reached, unless it is fixed.
    pub(crate) fn open(&self, name: &str, cancelled: &dyn Fn() -> bool) -> Result<OpenRoot, WorkError> {
        self.root(name)?.open(cancelled)
    }

    pub(super) fn root(&self, name: &str) -> Result<&Root, Reason> {
        self.roots.get(name).ok_or_else(|| Reason::NotServed { what: format!("root {name:?}") })
    }

    pub(crate) fn follows_outside(&self) -> bool {
        self.follow_outside
    }
}
