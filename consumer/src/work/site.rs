//! What this process may touch.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use shared::beneath::os_text;
use shared::path::PathBytes;

use super::files::RootDir;

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
    roots: BTreeMap<String, RootDir>,
    follow_outside: bool,
}

impl Site {
    /// One that may touch nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves the files beneath `dir` as the root `name`. The directory is opened once, here: a
    /// later rename of it, or of one above it, does not lead anywhere else.
    pub fn add_root(&mut self, name: &str, dir: &Path) -> Result<(), SiteError> {
        if self.roots.contains_key(name) {
            return Err(SiteError::Twice { name: name.to_owned() });
        }
        let unreachable = |error: io::Error| SiteError::Unreachable {
            name: name.to_owned(),
            dir: PathBytes::from(dir.as_os_str().as_bytes()).display(),
            reason: os_text(&error),
        };
        self.roots.insert(name.to_owned(), RootDir::open(dir).map_err(unreachable)?);
        Ok(())
    }

    /// Allows jobs to follow links that lead outside their root.
    pub fn allow_follow_outside(&mut self) {
        self.follow_outside = true;
    }

    /// The names of its roots, in byte order.
    pub fn root_names(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }

    /// Where another process finds its roots as long as this one lives: the directories that are open
    /// here, whatever their names mean by now.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&str, PathBytes)> {
        self.roots.iter().map(|(name, root)| (name.as_str(), root.place()))
    }

    pub(super) fn root(&self, name: &str) -> Option<&RootDir> {
        self.roots.get(name)
    }

    pub(crate) fn follows_outside(&self) -> bool {
        self.follow_outside
    }
}
