//! The owner's store: SQLite, one row per task.
//!
//! One writer (the ledger's thread) and any number of readers (reports). A turn's writes are one
//! transaction; a store in a file is fsynced at each commit, a temporary one never.

mod dead;
mod files;
mod followed;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod lock;
mod open;
mod read;
mod recover;
mod schema;
mod spill;
mod status;
mod write;

use std::path::PathBuf;

use rusqlite::Connection;
use shared::protocol::id::{OwnerId, StoreId};

use crate::lock::Lock;
use crate::scratch::Scratch;

pub use files::files;
pub use open::{Place, StoreError, check};
pub use read::{PartPlace, Reader, Section, StoredTask};
pub use spill::Spill;

/// The writer.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    owner: OwnerId,
    id: StoreId,
    path: PathBuf,
    /// Held open: one process at a time writes a store.
    _lock: Option<Lock>,
    /// Removed with the store, or with the process.
    _temporary: Option<(tempfile::TempDir, Scratch)>,
}

impl Store {
    /// Whose store it is.
    pub fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// Its id.
    pub fn id(&self) -> &StoreId {
        &self.id
    }

    /// The file, for readers.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}
