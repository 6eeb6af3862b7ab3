//! The files of every round, and what their manifest must be.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::kind::Kind;
use crate::world::World;

/// Large files: a task each, and nearly all of the job's tasks; read from nowhere at the speed of the
/// digest. With two consumers of one slot such a job takes two to four seconds on two cores.
pub const LARGE: u64 = 96;
const LARGE_BYTES: u64 = 32 << 20;

/// Small files before them, so that tasks of many items are there, too.
const SMALL: usize = 400;

/// Small files of the tree whose walk is interrupted, which takes longest to walk.
const MANY: usize = 20_000;

/// A tree that jobs only read, and its manifest.
pub struct Job {
    _world: World,
    tree: PathBuf,
    pub files: u64,
    pub bytes: u64,
    pub manifest: Vec<u8>,
}

impl Job {
    /// The job of a kind, made once for all tests that run at a time.
    pub fn of(kind: Kind) -> Arc<Self> {
        static LONG: Mutex<Weak<Job>> = Mutex::new(Weak::new());
        static WIDE: Mutex<Weak<Job>> = Mutex::new(Weak::new());
        let place = if kind == Kind::WalkKilled { &WIDE } else { &LONG };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        place.upgrade().unwrap_or_else(|| {
            let job = Arc::new(if kind == Kind::WalkKilled { Self::wide() } else { Self::long() });
            *place = Arc::downgrade(&job);
            job
        })
    }

    /// One that is long in its work.
    fn long() -> Self {
        let world = World::new();
        world.tree("t", SMALL);
        for number in 0..LARGE {
            world.sparse(&format!("t/large/{number:03}"), LARGE_BYTES + number);
        }
        Self::with(world, SMALL as u64 + LARGE)
    }

    /// One that is long in its plan.
    fn wide() -> Self {
        let world = World::new();
        world.tree("t", MANY);
        Self::with(world, MANY as u64)
    }

    fn with(world: World, files: u64) -> Self {
        let tree = world.path("t");
        let manifest = world.sha1sum(&[tree.to_str().expect("a temporary directory has a plain name")]);
        assert_eq!(manifest.iter().filter(|&&byte| byte == b'\n').count() as u64, files);
        let bytes = bytes_beneath(&tree);
        Self { _world: world, tree, files, bytes, manifest }
    }

    /// The tree as roles are told of it.
    pub fn root(&self) -> String {
        format!("t={}", self.tree.display())
    }
}

fn bytes_beneath(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    let bytes = |entry: fs::DirEntry| match entry.metadata().expect("it is there") {
        metadata if metadata.is_dir() => bytes_beneath(&entry.path()),
        metadata => metadata.len(),
    };
    entries.map(bytes).sum()
}
