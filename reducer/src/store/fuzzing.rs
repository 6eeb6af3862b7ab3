//! The property of stores: a damaged store is refused, or it has the accounts that it had before.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::Connection;
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::Counts;

use super::{Place, Reader, Store, StoreError};
use crate::ledger::Ledger;
use crate::owner::Config;
use crate::report::{Format, Render, Side};

/// The accounts by job.
type Accounts = BTreeMap<JobId, Counts>;

/// An intact store, as the bytes of its file, with its accounts.
struct Sound {
    bytes: Vec<u8>,
    accounts: Accounts,
}

/// Opens a store that is damaged as the input says. The first byte chooses how: the rest of the
/// input cuts the file (three bytes: the length), changes it (four bytes each: three for the place,
/// one for the value), or is the file itself.
///
/// The call must not panic. A store that was cut is refused, or has exactly the accounts that it
/// had, or none if it was cut to nothing.
pub fn store(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else { return };
    let sound = sound();
    let place = |at: &[u8]| at.iter().fold(0, |place, &byte| (place << 8) | usize::from(byte)) % sound.bytes.len();
    let mut bytes = sound.bytes.clone();
    match choice & 3 {
        0 => bytes.truncate(rest.first_chunk::<3>().map_or(bytes.len(), |at| place(at))),
        1 => bytes = rest.to_vec(),
        _ => rest.as_chunks::<4>().0.iter().for_each(|[a, b, c, value]| bytes[place(&[*a, *b, *c])] = *value),
    }
    let is_cut = bytes != sound.bytes && sound.bytes.starts_with(&bytes);
    let (accounts, is_same) = (open(&bytes), bytes == sound.bytes);
    match accounts {
        Ok(accounts) if is_cut || is_same => {
            let expected = if bytes.is_empty() { &Accounts::new() } else { &sound.accounts };
            assert_eq!(&accounts, expected, "cut to {} bytes", bytes.len());
        }
        Ok(_) => {}
        Err(error) => {
            assert!(!is_same, "a sound store is refused: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Does everything that is done with a store at a start and for a report.
fn open(bytes: &[u8]) -> Result<Accounts, StoreError> {
    let directory = directory();
    let path = directory.path().join("store.sqlite");
    fs::write(&path, bytes).expect("there is room");
    let accounts = start(&path);
    if let Ok(accounts) = &accounts {
        // The report may fail, but it must not panic.
        for job in accounts.keys() {
            let render = Render::new(&path, job, Format::Json);
            let _ = render.and_then(|mut render| render.write_up_to(8, &mut io::sink(), &mut |_| {}));
            let _ = Side::ALL.map(|side| side.write(&path, job, Some(3), &mut io::sink()));
        }
    }
    accounts
}

fn start(path: &Path) -> Result<Accounts, StoreError> {
    let store = Store::open(&Place::File(path.to_owned()), || OwnerId::from_name(b"new"))?;
    let config = Config::new(store.owner().clone());
    let statuses = Reader::open(path)?.statuses()?;
    let accounts: Accounts = statuses.into_iter().map(|status| (status.job, status.counts)).collect();
    let now = Duration::from_secs(1_800_000_000);
    let (ledger, _) = Ledger::new(config, store, now, true)?;
    // Jobs with a report are read when somebody asks for them.
    for job in accounts.keys() {
        ledger.status(job, now)?;
    }
    Ok(accounts)
}

/// An intact store with a few jobs.
fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let directory = directory();
        let path = directory.path().join("store.sqlite");
        let owner = || OwnerId::from_name(b"guest-0123456789abcdef");
        drop(Store::open(&Place::File(path.clone()), owner).expect("a store"));
        // Put everything into one file, without a log beside it.
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch(include_str!("fuzzing/sound.sql")).expect("jobs");
        connection.pragma_update(None, "journal_mode", "DELETE").expect("one file");
        drop(connection);
        let accounts = Reader::open(&path).and_then(|reader| reader.statuses()).expect("accounts");
        let accounts = accounts.into_iter().map(|status| (status.job, status.counts)).collect();
        Sound { bytes: fs::read(&path).expect("it can be read"), accounts }
    })
}

/// A directory in memory, if the system has one.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQLite takes a file of one byte for an empty database.
    #[test]
    fn a_store_cut_to_one_byte_is_no_new_one() {
        store(&[0, 0, 0, 1]);
    }

    /// Changes of single values, as by a bad disk or an editor.
    #[test]
    fn what_no_owner_commits_is_refused_and_never_counted() {
        for (change, told) in [
            ("UPDATE jobs SET counts = replace(counts, '\"tasks_open\":1', '\"tasks_open\":0')", "does not add up"),
            ("UPDATE jobs SET counts = replace(counts, '\"items_done\":3', '\"items_done\":4')", "does not add up"),
            ("UPDATE jobs SET opened_at = -1.0", "cannot be read"),
            ("UPDATE jobs SET finished_at = 9e999", "cannot be read"),
            ("UPDATE jobs SET answered = 1099511627776", "more tasks than its plan"),
            ("UPDATE jobs SET answered = -1", "the store failed"),
            ("DELETE FROM store", "the store failed"),
        ] {
            let directory = directory();
            let path = directory.path().join("store.sqlite");
            fs::write(&path, &sound().bytes).expect("there is room");
            let connection = Connection::open(&path).expect("a database");
            assert!(connection.execute(change, []).expect("it is changed") > 0, "{change}");
            drop(connection);
            let error = start(&path).expect_err(change).to_string();
            assert!(error.contains(told), "{change}: {error}");
        }
    }
}
