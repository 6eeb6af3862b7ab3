//! A root: the directory that files lie in, opened for each task.
//!
//! # Invariants
//! - A task reads from one directory, the one that the root's path led to when the task began.
//! - A task gives no answer if the path leads to another directory when the task ends.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags, openat};
use shared::protocol::limits::ROOT_PATIENCE;
use shared::protocol::message::RootState;
use shared::protocol::path::PathBytes;
use shared::system::beneath::{Beneath, DirectoryIdentity, open_directory, os_text};
use shared::system::descriptor::is_descriptor_of_another;

use super::exhaustion::is_exhaustion;
use super::mount;
use crate::work::WorkError;

/// Interval between attempts to open a root that cannot be reached.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A root that this process serves.
#[derive(Debug)]
pub(in crate::work) struct Root {
    name: String,
    path: PathBuf,
    /// The root's name in error texts.
    title: String,
    beneath: Arc<Beneath>,
    fixed: Option<Fixed>,
    /// Whether the last attempt to open it failed; logged once for each change.
    is_missing: AtomicBool,
}

/// The directory that a fixed root must stay.
#[derive(Debug)]
struct Fixed {
    identity: DirectoryIdentity,
    /// Keeps the directory open, so that no other directory can reuse its inode number.
    _held: Option<OwnedFd>,
}

impl Root {
    /// At most this many fixed roots are held open: a command may name files in more directories
    /// than a process may have open.
    pub(in crate::work) const HELD_MAX: usize = 256;

    /// A root that each task opens at `path`. A directory must be there now as well.
    pub(in crate::work) fn new(name: &str, path: &Path) -> io::Result<Self> {
        open_directory(path)?;
        Ok(Self::with(name, path, None))
    }

    /// A root that stays the directory that `path` leads to now.
    pub(in crate::work) fn fixed(name: &str, path: &Path, is_held: bool) -> io::Result<Self> {
        let dir = open_directory(path)?;
        let identity = DirectoryIdentity::of(&dir)?;
        Ok(Self::with(name, path, Some(Fixed { identity, _held: is_held.then_some(dir) })))
    }

    fn with(name: &str, path: &Path, fixed: Option<Fixed>) -> Self {
        // Users know neither the name of a fixed root nor a path such as `/proc/1/fd/3`.
        let opened = is_descriptor_of_another(path).then(|| fs::read_link(path).ok()).flatten();
        let dir = shown(opened.as_deref().unwrap_or(path));
        let title = if fixed.is_some() { dir } else { format!("root {name:?} at {dir}") };
        let (name, path) = (name.to_owned(), path.to_owned());
        Self { name, path, title, beneath: Arc::default(), fixed, is_missing: AtomicBool::new(false) }
    }

    /// Whether the root keeps a file descriptor open.
    pub(in crate::work) fn is_held(&self) -> bool {
        self.fixed.as_ref().is_some_and(|fixed| fixed._held.is_some())
    }

    /// The directory that a fixed root must stay; `None` for other roots.
    pub(in crate::work) fn identity(&self) -> Option<DirectoryIdentity> {
        self.fixed.as_ref().map(|fixed| fixed.identity)
    }

    /// Opens files as on a kernel without `openat2`.
    #[cfg(test)]
    pub(in crate::work) fn forgo_openat2(&self) {
        self.beneath.forgo_openat2();
    }

    /// The state of the root's file system now.
    pub(in crate::work) fn state(&self) -> Option<RootState> {
        mount::look(&self.name, &self.path)
    }

    /// Opens the root for one task. Waits up to [`ROOT_PATIENCE`] until it can be reached, unless
    /// it is fixed.
    pub(in crate::work) fn open(&self, cancelled: &dyn Fn() -> bool) -> Result<OpenRoot, WorkError> {
        let began = Instant::now();
        let patience = if self.fixed.is_some() { Duration::ZERO } else { ROOT_PATIENCE };
        loop {
            let error = match self.try_open() {
                Ok(root) => {
                    self.note(None);
                    return root.if_planned(self.identity());
                }
                Err(error) => error,
            };
            if is_exhaustion(&error) {
                return Err(WorkError::failed(format!("out of resources: {}", os_text(&error))));
            }
            self.note(Some(&error));
            if cancelled() {
                return Err(WorkError::failed("cancelled"));
            }
            if began.elapsed() >= patience {
                let (title, why) = (&self.title, os_text(&error));
                return Err(WorkError::failed(format!("{title} cannot be reached: {why}; is it mounted?")));
            }
            sleep(LOOK_INTERVAL);
        }
    }

    fn try_open(&self) -> io::Result<OpenRoot> {
        let dir = open_directory(&self.path)?;
        let identity = DirectoryIdentity::of(&dir)?;
        let (title, path, beneath) = (self.title.clone(), self.path.clone(), Arc::clone(&self.beneath));
        let is_fixed = self.fixed.is_some();
        Ok(OpenRoot { title, path, dir, identity, is_fixed, canonical: OnceLock::new(), beneath })
    }

    /// Logs when the root stops being reachable, and when it is back.
    fn note(&self, error: Option<&io::Error>) {
        let was_missing = self.is_missing.swap(error.is_some(), Ordering::Relaxed);
        let (root, dir) = (&self.name, shown(&self.path));
        match error {
            Some(error) if !was_missing => {
                let reason = os_text(error);
                tracing::warn!(root, dir, reason, "A root cannot be reached: its tasks wait, and then fail.");
            }
            None if was_missing => tracing::info!(root, dir, "The root is back."),
            _ => {}
        }
    }
}

fn shown(path: &Path) -> String {
    PathBytes::from(path.as_os_str().as_bytes()).display()
}

/// A root that is open for one task.
#[derive(Debug)]
pub(crate) struct OpenRoot {
    title: String,
    path: PathBuf,
    dir: OwnedFd,
    identity: DirectoryIdentity,
    is_fixed: bool,
    /// The path without links, to tell whether a link's target is beneath the root. Never opened.
    canonical: OnceLock<Option<PathBuf>>,
    pub(super) beneath: Arc<Beneath>,
}

impl AsFd for OpenRoot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl OpenRoot {
    fn if_planned(self, planned: Option<DirectoryIdentity>) -> Result<Self, WorkError> {
        if planned.is_none_or(|planned| planned == self.identity) {
            return Ok(self);
        }
        Err(WorkError::failed(format!("{} is another directory than when the command began", self.title)))
    }

    /// Fails if the root's path leads to another directory by now: the task has read a tree that
    /// was moved away. Another attempt reads the tree in its place.
    pub(crate) fn check(&self) -> Result<(), WorkError> {
        let why = match DirectoryIdentity::at(&self.path) {
            Ok(now) if now == self.identity => return Ok(()),
            Ok(_) => "its path leads to another directory now".to_owned(),
            Err(error) => os_text(&error),
        };
        Err(WorkError::failed(format!("{} went away while its files were read: {why}", self.title)))
    }

    /// The state of its file system now; `None` where the system does not tell.
    pub(super) fn state(&self) -> Option<RootState> {
        mount::look("", &self.path)
    }

    /// A path by which another process can open this directory while this value lives. On Linux it
    /// names the open directory itself, wherever the root's path leads by now.
    pub(crate) fn place(&self) -> PathBytes {
        if cfg!(target_os = "linux") {
            let place = format!("/proc/{}/fd/{}", std::process::id(), self.dir.as_raw_fd());
            return PathBytes(place.into_bytes());
        }
        let canonical = self.canonical().unwrap_or(&self.path);
        PathBytes::from(canonical.as_os_str().as_bytes())
    }

    /// The path without links; `None` if that leads to another directory by now.
    pub(super) fn canonical(&self) -> Option<&Path> {
        let look = || {
            let path = fs::canonicalize(&self.path).ok()?;
            DirectoryIdentity::at(&path).is_ok_and(|found| found == self.identity).then_some(path)
        };
        self.canonical.get_or_init(look).as_deref()
    }

    /// An error if the root is an empty directory, as where a file system is not mounted. `None`
    /// for a fixed root: it was mounted when it was planned, and unmounting would make it another
    /// directory.
    pub(super) fn emptiness(&self) -> Option<WorkError> {
        if self.is_fixed {
            return None;
        }
        let list = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entries = openat(&self.dir, ".", list, Mode::empty()).and_then(Dir::new).ok()?;
        let is_entry = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
            entry.map_or(true, |entry| !matches!(entry.file_name().to_bytes(), b"." | b".."))
        };
        let is_empty = !entries.into_iter().any(is_entry);
        is_empty.then(|| WorkError::failed(format!("{} is an empty directory; is it mounted?", self.title)))
    }
}
