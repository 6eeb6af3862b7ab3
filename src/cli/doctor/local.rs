//! This machine: roots, open files, the place of the reducer's store, key files.

use std::io;
use std::path::{Path, PathBuf};

use ::reducer::store::check as check_store;
use consumer::work::Site;
use reducer::report::check_directory;
use rustix::process::{Resource, getrlimit};
use shared::protocol::definitions::Role;
use shared::protocol::seal::Keyring;
use shared::system::resolve::directory_of;

use super::super::args::doctor::DoctorArgs;
use super::super::{Failure, broker, key_file, slots, state};
use super::Scope;
use super::finding::Finding;

/// Open files of an idle role: three connections, the runtime, a store. A test counts them.
const FILES_IDLE: u64 = 64;

/// Additional open files for each slot: the file that is read and its directory, the output, and
/// pipes to a child process.
const FILES_PER_SLOT: u64 = 8;

/// Room for a reducer's store: about 60 kB for a thousand files, so some ten million of them.
const STORE_BYTES: u64 = 1024 * 1024 * 1024;

/// Checks what the roles need on this machine, and reads the keys for messages: `None` if a key
/// file is named and cannot be read.
pub(super) fn examine(scope: &Scope, args: &DoctorArgs) -> Result<(Vec<Finding>, Option<Keyring>), Failure> {
    let mut findings: Vec<Finding> =
        scope.roots.iter().map(|(name, dir)| root(name, dir, look_into(name, dir))).collect();
    let limit = getrlimit(Resource::Nofile);
    let slots = u64::from(slots::or_cores(None)?);
    findings.push(open_files(limit.current, limit.maximum, FILES_IDLE + FILES_PER_SLOT * slots));
    if scope.has(Role::Reducer) || args.state.is_some() {
        let state = args.state.clone().map_or_else(|| state::default_file(&args.owner), Ok)?;
        let unusable = state.exists().then(|| check_store(&state).err()).flatten();
        findings.push(match unusable {
            Some(error) => Finding::fail("state", error.to_string(), ""),
            None => store(&state, &look_at_place(&state)),
        });
    }
    let keys = match broker::key_file_of(&args.broker).map(|path| key_file::read(&path)) {
        None => Some(Keyring::default()),
        Some(Ok(keys)) => {
            findings.push(Finding::ok("keys", "messages are encrypted, and the key file can be used"));
            Some(keys)
        }
        Some(Err(failure)) => {
            let remedy = "give a file that packhorse key new has made (--key-file, PACKHORSE_KEY_FILE)";
            findings.push(Finding::fail("keys", failure.text, remedy));
            None
        }
    };
    Ok((findings, keys))
}

/// Opens a root as a consumer does, and lists it as a producer does. Gives `false` for an empty
/// root.
fn look_into(name: &str, dir: &Path) -> Result<bool, String> {
    Site::new().add_root(name, dir).map_err(|error| error.to_string())?;
    let mut entries = std::fs::read_dir(dir).map_err(|error| error.to_string())?;
    entries.next().transpose().map(|entry| entry.is_some()).map_err(|error| error.to_string())
}

fn root(name: &str, dir: &Path, seen: Result<bool, String>) -> Finding {
    let (subject, dir) = (format!("root {name}"), dir.display());
    match seen {
        Ok(true) => Finding::ok(subject, format!("{dir} is a directory that can be read")),
        Ok(false) => Finding::warn(
            subject,
            format!("{dir} is an empty directory"),
            "if its files are on another disk, mount that",
        ),
        Err(cause) => {
            let remedy = "mount it, correct --root NAME=DIR, or let this user read it";
            Finding::fail(subject, format!("{dir} cannot be used: {cause}"), remedy)
        }
    }
}

/// `soft` and `hard` are limits on open files; `None` is no limit.
fn open_files(soft: Option<u64>, hard: Option<u64>, need: u64) -> Finding {
    match soft {
        Some(soft) if soft < need => {
            let what = format!("a process may have {soft} files open, and a role here needs {need}");
            let remedy = if hard.is_some_and(|hard| hard < need) {
                format!("raise the hard limit, too (LimitNOFILE={need} in systemd, ulimits in Compose)")
            } else {
                format!("raise it before the role starts: ulimit -n {need}")
            };
            Finding::fail("open files", what, remedy)
        }
        Some(soft) => {
            Finding::ok("open files", format!("a process may have {soft} open, and a role here needs {need}"))
        }
        None => Finding::ok("open files", "there is no limit"),
    }
}

/// Free bytes in the store's directory, or why nothing can be written there.
type Place = Result<u64, (PathBuf, io::ErrorKind, String)>;

/// Writes a test file beside the store, or, if its directory does not exist, in the nearest one
/// above.
fn look_at_place(state: &Path) -> Place {
    let parent = directory_of(state);
    let there = parent.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    let cannot = |error: io::Error| (there.to_owned(), error.kind(), error.to_string());
    check_directory(there).map_err(cannot)?;
    if state.exists() {
        std::fs::OpenOptions::new().write(true).open(state).map_err(cannot)?;
    }
    let space = rustix::fs::statvfs(there).map_err(|error| cannot(error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

fn store(state: &Path, place: &Place) -> Finding {
    let shown = state.display();
    match place {
        Ok(free) if *free < STORE_BYTES => Finding::warn(
            "state",
            format!("only {} MiB are free for {shown}", free >> 20),
            "make room, or put it elsewhere with --state FILE",
        ),
        Ok(free) => Finding::ok("state", format!("{shown} can be written, {} GiB are free", free >> 30)),
        Err((there, _, cause)) => Finding::fail(
            "state",
            format!("{shown} cannot be written: {}: {cause}", there.display()),
            "let the reducer's user write there, or put it elsewhere with --state FILE",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn too_few_open_files_are_told_apart_from_enough() {
        assert_eq!(open_files(Some(99), None, 100).level, Level::Fail);
        assert_eq!(open_files(Some(100), Some(100), 100).level, Level::Ok);
        assert_eq!(open_files(None, None, 100).level, Level::Ok);
        let soft = open_files(Some(10), Some(1_000), 100).line();
        let hard = open_files(Some(10), Some(10), 100).line();
        assert!(soft.contains("ulimit -n 100") && hard.contains("LimitNOFILE=100"), "{soft} {hard}");
    }

    #[test]
    fn a_root_without_anything_may_not_be_mounted() {
        let directory = tempfile::tempdir().expect("a directory");
        let level = || root("r", directory.path(), look_into("r", directory.path())).level;
        assert_eq!(level(), Level::Warn);
        std::fs::write(directory.path().join("f"), "x").expect("written");
        assert_eq!(level(), Level::Ok);
        assert_eq!(root("r", Path::new("no"), look_into("r", Path::new("no"))).level, Level::Fail);
    }

    #[test]
    fn a_full_disk_is_a_warning_before_it_is_a_failure() {
        let state = Path::new("s.sqlite");
        assert_eq!(store(state, &Ok(STORE_BYTES - 1)).level, Level::Warn);
        assert_eq!(store(state, &Ok(STORE_BYTES)).level, Level::Ok);
    }

    #[test]
    fn a_store_is_looked_for_where_it_will_be() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(look_at_place(&directory.path().join("not/yet/made.sqlite")).is_ok());
        assert!(look_at_place(Path::new("/proc/self/store.sqlite")).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 0);
    }
}
