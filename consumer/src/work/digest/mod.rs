//! The work of `digest`: opens each file of a batch beneath its root and digests it.
//!
//! # Layout
//! - `open`: opening beneath a root, never outside, whatever changes meanwhile
//! - `read`: reading a file to its end, and noticing that it changed
//! - `hash`: the digest itself
//! - `multibuffer`: the digests of many short contents at once

mod hash;
mod multibuffer;
mod open;
mod read;
#[cfg(test)]
mod tests;

use std::io;

use shared::limits::TASK_ITEMS_MAX;
use shared::message::Reason;
use shared::workload::digest::{Answer, Batch, ItemFailure};

use super::{Site, WorkError};
use open::{OpenError, Opener, is_exhaustion};
use read::{Digested, ReadError, Reader};

pub(super) use open::RootDir;

/// Digests a batch.
pub(super) fn work(body: &[u8], site: &Site, cancelled: &dyn Fn() -> bool) -> Result<Answer, WorkError> {
    let batch = Batch::parse(body)?;
    if batch.items.len() > TASK_ITEMS_MAX {
        let detail = format!("{} items, over the limit of {TASK_ITEMS_MAX}", batch.items.len());
        return Err(Reason::Body { detail }.into());
    }
    let root = site.root(&batch.root).ok_or_else(|| Reason::NotServed { what: format!("root {:?}", batch.root) })?;
    let results = digest_all(&batch, root, site.follows_outside(), cancelled).map_err(|stop| match stop {
        Stop::Cancelled => WorkError::failed("cancelled"),
        Stop::Exhausted(error) => WorkError::failed(format!("out of resources: {}", os_text(&error))),
    })?;
    Ok(answer(results))
}

/// What became of one item, or why there is no digest.
type ItemResult = Result<Digested, String>;

/// Why a batch is not finished.
#[derive(Debug)]
enum Stop {
    Cancelled,
    /// This process lacks descriptors or memory: no fault of the item, and another attempt may do.
    Exhausted(io::Error),
}

/// Digests every item. One bad item fails alone.
fn digest_all(
    batch: &Batch,
    root: &RootDir,
    follow_outside: bool,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<ItemResult>, Stop> {
    let mut reader = Reader::new(batch.algorithm);
    let mut opener = Opener::new(root, batch.links, follow_outside);
    let mut failed = Vec::new();
    for (at, item) in batch.items.iter().enumerate() {
        if cancelled() {
            return Err(Stop::Cancelled);
        }
        let read = match opener.open_file(item.path.as_bytes()) {
            Ok(file) => reader.read(at, &file, cancelled),
            Err(OpenError::Os(error)) => Err(ReadError::Os(error)),
            Err(OpenError::Refused(reason)) => Err(ReadError::Changed(reason)),
        };
        if let Err(error) = read {
            failed.push((at, reason(error)?));
        }
    }
    let mut results: Vec<_> = reader.finish().into_iter().map(|(at, digested)| (at, Ok(digested))).collect();
    results.extend(failed.into_iter().map(|(at, reason)| (at, Err(reason))));
    results.sort_unstable_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Why an item has no digest, for people, unless it is no fault of the item.
fn reason(error: ReadError) -> Result<String, Stop> {
    Ok(match error {
        ReadError::Cancelled => return Err(Stop::Cancelled),
        ReadError::Os(error) if is_exhaustion(&error) => return Err(Stop::Exhausted(error)),
        ReadError::Os(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("{} (vanished after it was listed)", os_text(&error))
        }
        ReadError::Os(error) => os_text(&error),
        ReadError::Changed(reason) => reason.to_owned(),
    })
}

fn answer(results: Vec<ItemResult>) -> Answer {
    let mut answer = Answer { digests: Vec::with_capacity(results.len()), failed: Vec::new(), bytes: 0 };
    for (item, result) in (0u32..).zip(results) {
        match result {
            Ok((digest, bytes)) => {
                answer.digests.push(Some(digest.to_hex()));
                answer.bytes += bytes;
            }
            Err(reason) => {
                answer.digests.push(None);
                answer.failed.push(ItemFailure { item, reason });
            }
        }
    }
    answer
}

/// An error of the operating system in its words, without its number.
pub(super) fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}
