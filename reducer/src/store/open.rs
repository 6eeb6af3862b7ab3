//! Opening a store: its place, its owner, and its durability settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use shared::protocol::id::{OwnerId, StoreId};
use shared::system::{environment, random};

use super::late::Late;
use super::lock::lock;
use super::{Keep, Present, Store, schema};
use crate::fold;
use crate::scratch::Scratch;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory, for jobs whose rows leave soon. No other connection can read it.
    Memory,
    /// In a temporary directory, removed when the process ends.
    Temporary,
    /// In a file. The file and its directory are created if they do not exist.
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the store {} is in use by another process. Stop it first, or name another file with --state",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file is not a store of this program, or a store of another version.
    #[error(
        "{} is not a store that this version of packhorse can use (its schema is {found}, this one's {}). Name another \
         file with --state{}",
        .path.display(),
        schema::VERSION,
        if *found > 0 { ", or use the version that made it" } else { "" }
    )]
    Version {
        path: PathBuf,
        /// The file's `user_version`; 0 if it is no store.
        found: i64,
    },
    #[error(
        "the store {} belongs to reducer {owner}, not to {wanted}. Leave out --owner to continue with it, or name \
         another file with --state",
        .path.display()
    )]
    Owner { path: PathBuf, owner: OwnerId, wanted: OwnerId },
    #[error("cannot use the store {}: {cause}", .path.display())]
    File { path: PathBuf, cause: std::io::Error },
    /// SQLite failed, for example because of a full disk or a damaged file.
    #[error(
        "the store failed: {0}. Nothing that was acknowledged is lost; make room or repair the file \
         (without --state it is a temporary one, beneath TMPDIR), and start again"
    )]
    Sqlite(#[from] rusqlite::Error),
    /// A value in the store is not valid.
    #[error("the store holds a value that cannot be read: {0}")]
    Content(String),
}

impl Store {
    /// Opens a store, or creates one for `owner`. An existing store keeps its owner.
    pub fn open(place: &Place, owner: impl FnOnce() -> OwnerId) -> Result<Self, StoreError> {
        match place {
            Place::Memory => Self::begin(Connection::open_in_memory()?, PathBuf::new(), owner, Keep::Nothing),
            Place::Temporary => {
                let place = environment::temporary();
                let made = Scratch::make(|| tempfile::Builder::new().prefix("packhorse-").tempdir_in(&place));
                let (directory, scratch) = made.map_err(|cause| StoreError::File { path: place, cause })?;
                let path = directory.path().join("store.sqlite");
                let connection = Connection::open(&path)?;
                Self::begin(connection, path, owner, Keep::Directory { _directory: directory, _scratch: scratch })
            }
            Place::File(path) => {
                let lock = lock(path)?;
                let connection = Connection::open(path)?;
                Self::begin(connection, path.clone(), owner, Keep::Lock { _lock: lock })
            }
        }
    }

    fn begin(
        connection: Connection,
        path: PathBuf,
        owner: impl FnOnce() -> OwnerId,
        keep: Keep,
    ) -> Result<Self, StoreError> {
        connection.busy_timeout(Duration::from_secs(10))?;
        // Check this before anything is written: a file that is not our store must stay unchanged.
        let is_new = match version(&connection, &path)? {
            Some(schema::VERSION) => false,
            Some(found) => return Err(StoreError::Version { path, found }),
            None => true,
        };
        set_up(&connection, &keep)?;
        if is_new {
            create(&connection, &owner())?;
        }
        let (id, owner) = connection.query_row("SELECT store_id, owner FROM store", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let content = |error: shared::protocol::id::InvalidId| StoreError::Content(error.to_string());
        let (id, owner) = (StoreId::try_from(id).map_err(content)?, OwnerId::try_from(owner).map_err(content)?);
        let present = Present { leases: true, dependants: true };
        let db = Late::new(connection, matches!(keep, Keep::Nothing));
        Ok(Self { db, owner, id, path, present, _keep: keep })
    }
}

fn set_up(connection: &Connection, keep: &Keep) -> Result<(), StoreError> {
    if matches!(keep, Keep::Nothing) {
        // What a failed turn has left is not used again: the ledger ends with it.
        return Ok(connection.pragma_update(None, "journal_mode", "OFF")?);
    }
    // A task's row is tens of kilobytes, so large pages mean fewer of them. This applies to new files
    // only.
    connection.pragma_update(None, "page_size", 32_768)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    if matches!(keep, Keep::Directory { .. }) {
        // A temporary store ends with the process, so nothing is gained by waiting for a disk, or by
        // moving pages from the log to the database before the log is large.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "wal_autocheckpoint", SCRATCH_LOG_PAGES)?;
    } else {
        connection.pragma_update(None, "synchronous", "FULL")?;
    }
    Ok(())
}

/// Pages in the log of a temporary store before they are moved to the database: 128 MiB. Each turn
/// adds every page that it touches, whole.
const SCRATCH_LOG_PAGES: u32 = 4_096;

/// SQLite takes a file of this many bytes for an empty database, though the file is not empty.
const TAKEN_FOR_EMPTY: u64 = 1;

/// The database's version; `None` if nothing was ever written to it, 0 if it is no store.
fn version(connection: &Connection, path: &Path) -> Result<Option<i64>, StoreError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() == TAKEN_FOR_EMPTY) {
        return Err(StoreError::Version { path: path.to_owned(), found: 0 });
    }
    let look = || {
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let count = |which| connection.query_row(which, [], |row| row.get::<_, i64>(0));
        let tables = count("SELECT count(*) FROM sqlite_master")?;
        // Other programs use `user_version` too, so look for our table.
        let is_ours = count("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'store'")? == 1;
        Ok((found != 0 || tables != 0).then_some(if is_ours { found } else { 0 }))
    };
    look().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Version { path: path.to_owned(), found: 0 },
        _ => error.into(),
    })
}

fn create(connection: &Connection, owner: &OwnerId) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN")?;
    connection.execute_batch(schema::TABLES)?;
    connection.execute_batch(schema::VIEWS)?;
    fold::VIEWS.iter().try_for_each(|view| connection.execute_batch(view))?;
    connection.pragma_update(None, "user_version", schema::VERSION)?;
    connection.execute(
        "INSERT INTO store (store_id, owner, created_at) VALUES (?, ?, datetime('now'))",
        (random::token(), owner.as_str()),
    )?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// Opens a connection that only reads.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_as_it_is(path)?;
    match version(&connection, path)? {
        Some(schema::VERSION) => Ok(connection),
        found => Err(StoreError::Version { path: path.to_owned(), found: found.unwrap_or(0) }),
    }
}

/// Checks that a file is a store that can be used. Nothing is changed.
pub fn check(path: &Path) -> Result<(), StoreError> {
    match version(&open_as_it_is(path)?, path)? {
        None | Some(schema::VERSION) => Ok(()),
        Some(found) => Err(StoreError::Version { path: path.to_owned(), found }),
    }
}

fn open_as_it_is(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}
