//! Batches over real files.
//!
//! - `content`: differential, against coreutils' `sha1sum`; files that change while they are read
//! - `escape`: links, swapped directories, special files: nothing outside a root is read

mod content;
mod escape;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use shared::protocol::message::Failure;
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::protocol::workload::digest::{Algorithm, Answer, Batch};
use shared::protocol::workload::files::{Files, Item, Links};
use tempfile::TempDir;

use crate::work::{Context, Site, WorkError};

/// A temporary root `r` for one test.
struct Root {
    dir: TempDir,
    site: Site,
}

impl Root {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut site = Site::new();
        site.add_root("r", dir.path()).expect("it is there");
        Self { dir, site }
    }

    /// A root that is opened component by component, as on a kernel without `openat2`.
    fn by_hand() -> Self {
        let root = Self::new();
        root.site.root("r").expect("just added").forgo_openat2();
        root
    }

    fn path(&self, relative: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(relative.as_ref())
    }

    fn write(&self, relative: &[u8], content: &[u8]) -> &Self {
        let path = self.path(OsStr::from_bytes(relative));
        fs::create_dir_all(path.parent().expect("beneath the root")).expect("directories");
        fs::write(path, content).expect("a file");
        self
    }

    fn link(&self, relative: &str, target: impl AsRef<Path>) -> &Self {
        std::os::unix::fs::symlink(target, self.path(relative)).expect("a link");
        self
    }

    fn try_work(&self, links: Links, paths: &[&[u8]], cancelled: &dyn Fn() -> bool) -> Result<Answer, WorkError> {
        let context = Context { site: &self.site, planned_at: None, cancelled, publish: &mut |_| Ok(()), early: None };
        let answer = crate::work::work(Workload::Digest, &body(links, paths), context)?;
        Ok(Answer::parse(&answer, paths.len() as u32).expect("owners take our answers"))
    }

    fn work(&self, links: Links, paths: &[&[u8]]) -> Answer {
        self.try_work(links, paths, &|| false).expect("an answer")
    }

    /// The reason why the one item at `path` has no digest.
    fn reason(&self, links: Links, path: &str) -> String {
        let answer = self.work(links, &[path.as_bytes()]);
        assert_eq!(answer.digests, [None], "{path}");
        answer.failed[0].reason.clone()
    }

    /// The digest of the one item at `path`.
    fn digest(&self, links: Links, path: &str) -> String {
        let answer = self.work(links, &[path.as_bytes()]);
        answer.digests[0].clone().unwrap_or_else(|| panic!("{path}: {}", answer.failed[0].reason))
    }
}

fn body(links: Links, paths: &[&[u8]]) -> Payload {
    let items = paths.iter().map(|&path| Item { path: path.into(), size: 0, times: None }).collect();
    let batch =
        Batch { algorithm: Algorithm::Sha1, files: Files { links, root: "r".to_owned(), items, strict_times: false } };
    Payload::of(&batch)
}

fn cancelled() -> WorkError {
    WorkError::Failed(Failure { reason: "cancelled".to_owned(), stderr: String::new() })
}
