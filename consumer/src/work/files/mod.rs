//! The files of a task: opened beneath a root one after the other, and read to their ends.
//!
//! # Layout
//! - `root`: the directory that the files lie in, opened for each task anew
//! - `open`: opening beneath a root, never outside, whatever changes meanwhile
//! - `read`: reading a file to its end, and noticing that it changed
//! - `made_up`: files that the kernel makes up as they are read
//! - `items`: a task in tasks of one file each, and their answers in one

mod items;
mod made_up;
mod open;
mod read;
mod root;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;

use shared::beneath::os_text;
use shared::limits::TASK_ITEMS_MAX;
use shared::message::Reason;
use shared::workload::files::{Files, ItemFailure};

use super::{Site, Unsent, WorkError};
use open::{OpenError, Opener, is_exhaustion};

pub(super) use items::{join, split};
pub(super) use read::{READ_BYTES, ReadError, Stamp, read_small, read_through};
pub(crate) use root::OpenRoot;
pub(super) use root::Root;

/// Opens each file of a task and hands it on with its index. One bad item fails alone: what failed,
/// and why, comes back in the order of the items. Where their root is not there, or leads elsewhere when all
/// are done, the task as a whole has failed.
pub(super) fn each(
    files: &Files,
    site: &Site,
    cancelled: &dyn Fn() -> bool,
    take: &mut dyn FnMut(usize, &File) -> Result<(), ReadError>,
) -> Result<Vec<ItemFailure>, WorkError> {
    check_length(files)?;
    let root = site.open(&files.root, cancelled)?;
    let mut opener = Opener::new(&root, files.links, site.follows_outside());
    let (mut failed, mut vanished) = (Vec::new(), 0);
    for (item, at) in (0u32..).zip(0..files.items.len()) {
        if cancelled() {
            return Err(WorkError::failed("cancelled"));
        }
        let done = match opener.open_file(files.items[at].path.as_bytes()) {
            Ok(file) => take(at, &file),
            Err(OpenError::Os(error)) => Err(ReadError::Os(error)),
            Err(OpenError::Refused(reason)) => Err(ReadError::Refused(reason)),
        };
        if let Err(error) = done {
            vanished += usize::from(matches!(&error, ReadError::Os(error) if is_gone(error)));
            failed.push(ItemFailure::new(item, reason(error)?));
        }
    }
    root.check()?;
    if vanished > 0 && vanished == files.items.len() {
        root.emptiness().map_or(Ok(()), Err)?;
    }
    Ok(failed)
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

/// Why an item has no result, for people, unless it is no fault of the item: then another attempt
/// at the whole task may do.
fn reason(error: ReadError) -> Result<String, WorkError> {
    Ok(match error {
        ReadError::Cancelled => return Err(WorkError::failed("cancelled")),
        ReadError::Os(error) if is_exhaustion(&error) => {
            return Err(WorkError::failed(format!("out of resources: {}", os_text(&error))));
        }
        ReadError::Os(error) if is_gone(&error) => {
            format!("{} (vanished after it was listed)", os_text(&error))
        }
        ReadError::Os(error) => os_text(&error),
        ReadError::Refused(reason) => reason.to_owned(),
        ReadError::Unsent(Unsent::TooLarge(reason)) => reason,
        ReadError::Unsent(unsent) => return Err(unsent.into()),
    })
}
