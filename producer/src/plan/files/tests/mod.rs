//! Plans over real trees.
//!
//! - `order`: differential, against `find | sort`
//! - `links`: skipped, followed, refused
//! - `limits`: how findings are packed
//! - `input`: command lines
//! - `roots`: another directory takes the place of a root

mod input;
mod limits;
mod links;
mod order;
mod roots;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use shared::protocol::message::Planned;
use shared::protocol::payload::Payload;
use shared::protocol::workload::files::{Files, Links, Selection};
use tempfile::TempDir;

use super::{FilesPlan, Naming, selection};

/// A temporary directory for one test.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self, relative: impl AsRef<OsStr>) -> PathBuf {
        self.0.path().join(relative.as_ref())
    }

    fn argument(&self, relative: &str) -> OsString {
        self.path(relative).into_os_string()
    }

    /// A sparse file of `size` bytes.
    fn file(&self, relative: impl AsRef<OsStr>, size: u64) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("beneath the tree")).expect("directories");
        fs::File::create(&path).and_then(|file| file.set_len(size)).expect("a file");
        self
    }

    fn bytes(&self, relative: &[u8]) -> &Self {
        self.file(OsStr::from_bytes(relative), 1)
    }

    fn link(&self, relative: &str, target: impl AsRef<Path>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("beneath the tree")).expect("directories");
        std::os::unix::fs::symlink(target, path).expect("a link");
        self
    }

    fn special(&self) -> &Self {
        let made = Command::new("mkfifo").arg(self.path("fifo")).status().expect("mkfifo runs");
        assert!(made.success());
        std::os::unix::net::UnixListener::bind(self.path("socket")).expect("a socket");
        self
    }

    fn spec(&self, links: Links) -> (Selection, Vec<PathBuf>) {
        selection(&[self.argument("")], Naming::Local, links).expect("the tree is there")
    }

    fn tasks(&self, links: Links) -> Vec<Planned> {
        let (spec, dirs) = self.spec(links);
        tasks(&spec, &dirs)
    }
}

fn tasks(spec: &Selection, dirs: &[PathBuf]) -> Vec<Planned> {
    let mut plan = FilesPlan::new(spec.clone(), dirs).expect("a plan");
    std::iter::from_fn(|| plan.next_task(|files| Payload::of(&files))).collect()
}

fn batch(task: &Planned) -> Option<Files> {
    task.body.as_ref().map(|body| serde_json::from_slice(body).expect("files"))
}

/// The names of all items, as a report shows them.
fn names(spec: &Selection, tasks: &[Planned]) -> Vec<OsString> {
    let name = |batch: &Files, path: &[u8]| {
        let root = spec.roots.iter().find(|root| root.name == batch.root).expect("a root of the job");
        OsString::from_vec([root.prefix.as_bytes(), path].concat())
    };
    let of_batch =
        |batch: Files| -> Vec<_> { batch.items.iter().map(|item| name(&batch, item.path.as_bytes())).collect() };
    tasks.iter().filter_map(batch).flat_map(of_batch).collect()
}

/// Failures as "name: reason", without the temporary directory's path.
fn failures(tree: &Tree, tasks: &[Planned]) -> Vec<String> {
    let root = format!("{}/", tree.0.path().display());
    let text = |failure: &shared::protocol::message::PlanFailure| {
        let name = failure.name.display();
        format!("{}: {}", name.strip_prefix(&root).unwrap_or(&name), failure.reason)
    };
    tasks.iter().flat_map(|task| &task.notes.failed).map(text).collect()
}

fn skipped(tasks: &[Planned]) -> Vec<(String, u64)> {
    let mut sum = std::collections::BTreeMap::new();
    for (kind, count) in tasks.iter().flat_map(|task| &task.notes.skipped) {
        *sum.entry(kind.clone()).or_default() += count;
    }
    sum.into_iter().collect()
}

/// What `find PATHS -type f` prints, in byte order.
fn find(options: &[&str], paths: &[OsString]) -> Vec<OsString> {
    let output = Command::new("find").args(options).args(paths).args(["-type", "f", "-print0"]).output().expect("find");
    let mut names: Vec<_> = output.stdout.split(|&b| b == 0).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.into_iter().map(|name| OsString::from_vec(name.to_vec())).collect()
}

/// Numbers that look random and are the same each time (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A tree of odd and near-equal names, with some files that fill a task alone.
fn grow(tree: &Tree, seed: u64, files: usize) {
    let names: [&[u8]; 12] =
        [b"a", b"a.b", b"a-", b"a0", b"A", b"b", b"\xff", b"\n", b" x", b"-r", b"a\\", "\u{e9}".as_bytes()];
    let mut numbers = Numbers(seed);
    for serial in 0..files {
        let mut path: Vec<u8> = Vec::new();
        for _ in 0..numbers.below(4) {
            path.extend_from_slice(names[numbers.below(12) as usize]);
            path.extend_from_slice(b"/");
        }
        path.extend_from_slice(names[numbers.below(12) as usize]);
        path.extend_from_slice(format!(".{}", serial % 7).as_bytes());
        let size = if numbers.below(8) == 0 { 40 << 20 } else { numbers.below(5000) };
        tree.file(OsStr::from_bytes(&path), size);
        if numbers.below(9) == 0 {
            path.extend_from_slice(b".link");
            let _ = std::os::unix::fs::symlink("nowhere", tree.path(OsStr::from_bytes(&path)));
        }
    }
}
