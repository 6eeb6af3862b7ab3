//! The files of a task: opens them beneath their root one after the other, and reads each to its
//! end.
//!
//! # Layout
//! - `root`: the directory that the files lie in, opened for each task
//! - `mount`: the file system of a root
//! - `open`: opens beneath a root, never outside, whatever changes meanwhile
//! - `planned`: whether a file is the one that was planned
//! - `read`: reads a file to its end, and notices that it changed
//! - `stamp`: the size and times that show a change
//! - `system`: the kinds of file systems, and how reliable their stamps are
//! - `recent`: defers files that changed just now
//! - `items`: divides a task into tasks of one file each, and joins their answers
//! - `exhaustion`: errors of the process, not of a file

mod exhaustion;
mod items;
mod mount;
mod open;
mod planned;
mod read;
mod recent;
mod root;
mod stamp;
mod system;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;

use shared::protocol::limits::TASK_ITEMS_MAX;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::{Differing, Files, ItemFailure};
use shared::system::beneath::os_text;

use super::{Site, Unsent, WorkError};
use exhaustion::is_exhaustion;
use open::Opener;
use recent::{Clock, PutOff, SystemClock};
use system::Systems;

pub(super) use items::{join, split};
#[cfg(any(test, feature = "fuzzing"))]
pub use planned::judge_plain;
pub use planned::{Compare, Found};
pub(super) use read::{Opened, READ_BYTES, ReadError, read_small, read_through};
pub(crate) use root::OpenRoot;
pub(super) use root::Root;

/// Opens each file of a task and passes it to `take` with its index; files that changed just now
/// come last. A bad item fails alone: the failures are returned in the order of the items. The
/// whole task fails if the root cannot be reached, or if its path leads to another directory at the
/// end.
pub(super) fn each(
    files: &Files,
    (site, planned_at): (&Site, Option<i64>),
    cancelled: &dyn Fn() -> bool,
    take: &mut Take<'_>,
) -> Result<Done, WorkError> {
    each_by(&SystemClock, files, (site, planned_at), cancelled, take)
}

/// The files of a task that have no result, or differ from the plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Files without a result, in the order of the items.
    pub failed: Vec<ItemFailure>,
    /// Files with a result that are not exactly as planned.
    pub differing: Differing,
}

/// Handles one open file, given with its index.
type Take<'a> = dyn FnMut(usize, &Opened) -> Result<(), ReadError> + 'a;

fn each_by(
    clock: &dyn Clock,
    files: &Files,
    (site, planned_at): (&Site, Option<i64>),
    cancelled: &dyn Fn() -> bool,
    take: &mut Take<'_>,
) -> Result<Done, WorkError> {
    check_length(files)?;
    let root = site.open(&files.root, cancelled)?;
    let mut opener = Opener::new(&root, files.links, site.follows_outside());
    let (mut systems, mut put_off) = (Systems::default(), PutOff::default());
    let (mut found, mut vanished, mut differing) = (Done::default(), 0, BTreeMap::new());
    let place = OnceCell::new();
    let mut open = |at: usize| {
        if cancelled() {
            return Err(WorkError::failed("cancelled"));
        }
        let file = opener.open_file(files.items[at].path.as_bytes());
        Ok(file.map_err(ReadError::from).and_then(|file| Opened::new(file, &mut systems)))
    };
    // `judge` compares the same size and times that are checked again after reading.
    let mut take = |at: usize, opened: Opened| {
        let item = &files.items[at];
        match planned::judge(site.compared(), files, item, planned_at, &opened.before, opened.system) {
            Found::Other(what) => Err(ReadError::Elsewhere(what)),
            Found::Same => take(at, &opened),
            found => take(at, &opened).map(|()| drop(differing.insert(at as u32, found))),
        }
    };
    let mut done = |at: usize, result: Result<(), ReadError>| {
        let Err(error) = result else { return Ok(()) };
        vanished += usize::from(matches!(&error, ReadError::Os(error) if is_gone(error)));
        let elsewhere = is_anothers(&error);
        let reason = reason(error, site.compared())?;
        let here = || {
            place.get_or_init(|| root.state().map_or_else(String::new, |state| format!("; its root there is {state}")))
        };
        let reason =
            if elsewhere && site.compared() != Compare::Nothing { format!("{reason}{}", here()) } else { reason };
        found.failed.push(ItemFailure { elsewhere, ..ItemFailure::new(at as u32, reason) });
        Ok::<_, WorkError>(())
    };
    for at in 0..files.items.len() {
        match open(at)? {
            Ok(opened) if put_off.takes(at, &opened, clock) => {}
            opened => done(at, opened.and_then(|opened| take(at, opened)))?,
        }
    }
    for at in put_off.wait(clock, cancelled) {
        let opened = open(at)?;
        done(at, opened.and_then(|opened| take(at, opened)))?;
    }
    found.failed.sort_by_key(|failure| failure.item);
    let those = |what: &Found| differing.iter().filter(|(_, found)| *found == what).map(|(&at, _)| at).collect();
    found.differing = Differing { untimed: those(&Found::Untimed), changed: those(&Found::Changed) };
    root.check()?;
    if vanished > 0 && vanished == files.items.len() {
        root.emptiness().map_or(Ok(()), Err)?;
    }
    Ok(found)
}

/// Whether another consumer may have the file that this one lacks.
fn is_anothers(error: &ReadError) -> bool {
    match error {
        ReadError::Elsewhere(_) | ReadError::NotThere(_) => true,
        ReadError::Os(error) => is_gone(error) || error.kind() == io::ErrorKind::NotADirectory,
        _ => false,
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn check_length(files: &Files) -> Result<(), Reason> {
    if files.items.len() > TASK_ITEMS_MAX {
        let detail = format!("{} items, over the limit of {TASK_ITEMS_MAX}", files.items.len());
        return Err(Reason::Body { detail });
    }
    Ok(())
}

/// The reason why an item has no result, for the report. `Err` if the cause is not the item: then
/// the whole task fails, and another attempt may succeed.
fn reason(error: ReadError, compared: Compare) -> Result<String, WorkError> {
    Ok(match error {
        ReadError::Cancelled => return Err(WorkError::failed("cancelled")),
        ReadError::Os(error) if is_exhaustion(&error) => {
            return Err(WorkError::failed(format!("out of resources: {}", os_text(&error))));
        }
        ReadError::Os(error) if is_gone(&error) && compared == Compare::Nothing => {
            format!("{} (vanished after it was listed)", os_text(&error))
        }
        ReadError::Os(error) if is_gone(&error) => {
            let host = shared::system::host::name();
            format!("{} on {host} (vanished after it was listed, or was never there)", os_text(&error))
        }
        ReadError::Os(error) => os_text(&error),
        ReadError::Refused(reason) | ReadError::NotThere(reason) => reason.to_owned(),
        ReadError::Elsewhere(what) => format!("on {}, {what}", shared::system::host::name()),
        ReadError::Unsent(Unsent::TooLarge(reason)) => reason,
        ReadError::Unsent(unsent) => return Err(unsent.into()),
    })
}
