//! The owner's store: an SQLite database with one row per task.
//!
//! One writer (the ledger's thread) and any number of readers (reports) use it. A turn's writes are
//! one transaction. A store in a file is fsynced at each commit; a temporary one never is, and one in
//! memory has no file.

mod dead;
mod files;
mod followed;
mod forgotten;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod jobs;
mod late;
mod lock;
mod needs;
mod open;
mod payload;
mod read;
mod recover;
mod released;
mod rows;
mod schema;
mod spill;
mod status;
mod updates;
mod write;

use std::path::PathBuf;

use shared::protocol::id::{OwnerId, StoreId};

use self::late::Late;
use crate::lock::Lock;
use crate::scratch::Scratch;

pub use files::files;
pub use open::{Place, StoreError, check};
pub use read::{PartPlace, Reader, Section, StoredTask};
pub use spill::Spill;

/// A store, open for writing.
#[derive(Debug)]
pub struct Store {
    db: Late,
    owner: OwnerId,
    id: StoreId,
    path: PathBuf,
    present: Present,
    _keep: Keep,
}

/// What a store keeps as long as it is open.
#[derive(Debug)]
enum Keep {
    /// Its rows are in memory.
    Nothing,
    /// The temporary directory, removed with this value, or when the process ends.
    Directory { _directory: tempfile::TempDir, _scratch: Scratch },
    /// One process at a time writes a store.
    Lock { _lock: Lock },
}

/// Whether there are rows of these kinds, so that what settles a task does not look for its row
/// where there is none at all.
#[derive(Debug, Clone, Copy)]
struct Present {
    leases: bool,
    dependants: bool,
}

impl Store {
    pub fn owner(&self) -> &OwnerId {
        &self.owner
    }

    pub fn id(&self) -> &StoreId {
        &self.id
    }

    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}
