//! The lock that lets one process at a time use a store. SQLite's own locks are held only while it
//! writes.

use std::fs;
use std::path::Path;

use shared::system::resolve::directory_of;

use super::StoreError;
use super::files::{LOCK, beside};
use crate::lock::Lock;

/// Locks the store at `path`, and creates its directory if there is none.
pub(super) fn lock(path: &Path) -> Result<Lock, StoreError> {
    let failed = |cause| StoreError::File { path: path.to_owned(), cause };
    fs::create_dir_all(directory_of(path)).map_err(failed)?;
    Lock::take(&beside(path, LOCK)).map_err(failed)?.ok_or_else(|| StoreError::InUse(path.to_owned()))
}
