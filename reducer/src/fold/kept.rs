//! Answers that are not of one piece: some of their items have a result from before, the others are still to be asked
//! for. An opening takes over what its predecessor had of files that are as they were, and a consumer may leave items
//! to another one.
//!
//! The items that are still open are the *holes* of an answer: they have no result, and their failure says that another
//! consumer may have it.

use std::collections::BTreeMap;

use bytes::Bytes;
use shared::protocol::id::RunId;
use shared::protocol::path::PathBytes;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::{Differing, Files, Item, ItemFailure};

use super::files::Results;
use crate::mutant::{self, Mutant};

/// A task of the opening before, with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its body.
    pub body: Bytes,
    /// Its answer, which may have holes.
    pub answer: Bytes,
    /// Whose parts belong to the answer.
    pub run: Option<RunId>,
    /// Where it was given.
    pub host: String,
    /// Where it stands in the store: the row of its opening, and its number.
    pub place: (i64, u64),
}

/// What is known of a task's answer before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The answer, with its holes.
    pub answer: Bytes,
    /// How many items have a result.
    pub items: u32,
    /// The task before whose parts belong to it, and are moved.
    pub parts: Option<(i64, u64)>,
    /// Where the latest of it was given.
    pub host: String,
}

/// What is known of the files of a task of an opening before.
pub(super) struct Earlier<T> {
    /// Its files.
    pub files: Files,
    /// For each its result, or none.
    pub results: Vec<Option<T>>,
    /// Which of these are of files that were not just as they were planned.
    pub differing: Differing,
}

/// The results of files that are as they were, and a hole for each other one, with what differs of those that have one;
/// nothing if there is no such file. Of one that several tasks had, the first of these tells.
pub(super) fn unchanged<T: Clone>(files: &Files, before: &[Earlier<T>]) -> Option<(Results<T>, Differing)> {
    let is_it = |earlier: &&Earlier<T>| earlier.files.root == files.root && earlier.files.links == files.links;
    let known: BTreeMap<_, _> = before.iter().filter(is_it).rev().flat_map(Earlier::known).collect();
    let is_unchanged = |item: &Item, known: &Item| item.is_unchanged(known) || mutant::is(Mutant::KeepChanged);
    let found = |item: &Item| known.get(&item.path).filter(|(known, ..)| is_unchanged(item, known));
    let (mut results, mut failed, mut differing) = (Vec::new(), Vec::new(), Differing::default());
    for (number, item) in (0u32..).zip(&files.items) {
        let found = found(item);
        results.push(found.map(|(_, result, _)| (*result).clone()));
        match found {
            Some((.., is_untimed)) => differing.untimed.extend(is_untimed.then_some(number)),
            None => failed.push(hole(number)),
        }
    }
    results.iter().any(Option::is_some).then_some(((results, failed), differing))
}

impl<T> Earlier<T> {
    /// The results that are of the files as they were planned, or of copies of them without their times.
    fn known(&self) -> impl Iterator<Item = (&PathBytes, (&Item, &T, bool))> {
        let has = |items: &[u32], number: u32| items.binary_search(&number).is_ok();
        (0u32..).zip(self.files.items.iter().zip(&self.results)).filter_map(move |(number, (item, result))| {
            let result = result.as_ref().filter(|_| !has(&self.differing.changed, number))?;
            Some((&item.path, (item, result, has(&self.differing.untimed, number))))
        })
    }
}

/// An item that is still to be asked for.
pub(super) fn hole(item: u32) -> ItemFailure {
    ItemFailure { elsewhere: true, ..ItemFailure::new(item, "") }
}

/// The items whose results are still to come.
pub(super) fn holes(failed: &[ItemFailure]) -> Vec<u32> {
    failed.iter().filter(|failure| failure.elsewhere).map(|failure| failure.item).collect()
}

/// The files of a task that are still to be asked for.
pub(super) fn open_files(files: Files, holes: &[u32]) -> Files {
    let is_open = |item: u32| holes.binary_search(&item).is_ok();
    let items = (0u32..).zip(files.items).filter(|(item, _)| is_open(*item)).map(|(_, item)| item).collect();
    Files { items, ..files }
}

/// Fills the holes of an answer with what came of them.
pub(super) fn filled<T>((mut results, failed): Results<T>, rest: Results<T>) -> Result<Results<T>, Reason> {
    let holes = holes(&failed);
    if holes.len() != rest.0.len() {
        let detail = format!("{} results for {} open items", rest.0.len(), holes.len());
        return Err(Reason::Body { detail });
    }
    let (mut again, mut told) = (rest.1.into_iter(), Vec::new());
    let mut found = holes.iter().zip(rest.0);
    for failure in failed {
        if !failure.elsewhere {
            told.push(failure);
            continue;
        }
        match found.next() {
            Some((_, Some(result))) => results[failure.item as usize] = Some(result),
            _ => {
                let second = again.next();
                told.push(match (second, failure.reason.as_str()) {
                    // It was never tried before.
                    (Some(second), "") => ItemFailure { item: failure.item, ..second },
                    (Some(second), first) if second.reason == first => ItemFailure { item: failure.item, ..second },
                    (Some(second), first) => {
                        ItemFailure::new(failure.item, format!("{first}; then: {}", second.reason))
                    }
                    (None, first) => ItemFailure::new(failure.item, first),
                });
            }
        }
    }
    Ok((results, told))
}

/// What differs in an answer whose holes were filled: items of the rest have other numbers in the whole of it.
pub(super) fn differing(first: &Differing, rest: &Differing, holes: &[u32]) -> Differing {
    let mut all = first.clone();
    all.add(rest, |item| holes.get(item as usize).copied());
    all
}

/// Bytes of the items that have a result, as they were planned: of files that are as they were.
pub(super) fn bytes<T>(files: &Files, results: &[Option<T>]) -> u64 {
    let kept = files.items.iter().zip(results).filter(|(_, result)| result.is_some());
    kept.fold(0, |sum: u64, (item, _)| sum.saturating_add(item.size))
}
