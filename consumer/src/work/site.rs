//! What this process may touch.

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
    /// Its directory cannot be opened.
    #[error("cannot serve root {name:?} from {dir}: {reason}")]
    Unreachable {
        /// The root.
        name: String,
        /// The directory, printable.
        dir: String,
        /// The system's words.
        reason: String,
    },
    /// The name is taken.
    #[error("root {name:?} is given twice; each root has one directory")]
    Twice {
        /// The root.
        name: String,
    },
}

/// The roots that this process serves, and what it may follow. Threads share one.
#[derive(Debug, Default)]
pub struct Site {
    roots: BTreeMap<String, Root>,
    follow_outside: bool,
    compare: Compare,
}

impl Site {
    /// One that may touch nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves the files beneath `dir` as the root `name`. Each task opens the directory to which the path leads
    /// when the task begins: it may be a link that is set anew with each release, or be mounted later.
    pub fn add_root(&mut self, name: &str, dir: &Path) -> Result<(), SiteError> {
        self.add(name, dir, Root::new)
    }

    /// The same, but the root stays the directory to which `dir` leads now. When it leads to another, the tasks
    /// of this root fail: for whoever plans and works in one go, and must not mix two trees.
    pub fn add_fixed_root(&mut self, name: &str, dir: &Path) -> Result<(), SiteError> {
        // Each takes a descriptor.
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

    /// Compares files with what was planned, as far as this says. Nothing is compared unless it is called.
    pub fn compare(&mut self, compare: Compare) {
        self.compare = compare;
    }

    pub(crate) fn compared(&self) -> Compare {
        self.compare
    }

    /// What its roots lie on, [`limits::PRESENCE_ROOTS_MAX`] of them at most. Nothing where nothing is compared.
    pub(crate) fn root_states(&self) -> Vec<RootState> {
        if self.compare == Compare::Nothing {
            return Vec::new();
        }
        self.roots.values().filter_map(Root::state).take(limits::PRESENCE_ROOTS_MAX).collect()
    }

    /// The names of its roots, in byte order.
    pub fn root_names(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }

    /// Which directory a fixed root is.
    pub fn identity(&self, name: &str) -> Option<DirectoryIdentity> {
        self.roots.get(name)?.identity()
    }

    /// Opens a root for one task, to be [checked](OpenRoot::check) when the task is done. Waits for one that
    /// cannot be reached now, unless it is fixed.
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
