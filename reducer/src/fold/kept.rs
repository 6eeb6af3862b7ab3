//! Partial answers: some items have a result from before, and the others must still be asked for.
//! An opening takes over its predecessor's results for unchanged files, and a consumer may leave
//! items to another one.
//!
//! The items that are still open are the *holes* of an answer. They have no result, and their
//! failure says that another consumer may have it.

use std::collections::BTreeMap;

use shared::protocol::id::RunId;
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::{Differing, Files, Item, ItemFailure};

use super::Tally;
use super::files::Results;
use crate::mutant::{self, Mutant};

/// A task of an earlier opening, with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    pub body: Payload,
    /// The answer, which may have holes.
    pub answer: Payload,
    /// The run whose parts belong to the answer.
    pub run: Option<RunId>,
    pub host: String,
    /// Its place in the store: the row id of its opening, and its number.
    pub place: (i64, u64),
}

/// The part of a task's answer that is known before any consumer is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The answer; items without a result are holes.
    pub answer: Payload,
    /// Number of items that have a result.
    pub items: u32,
    pub parts: Option<KeptParts>,
    /// The host of the last of the earlier answers, as they are ordered in the lookup.
    pub host: String,
}

/// The parts that belong to an answer that is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptParts {
    /// The earlier task that has them: the row id of its opening, and its number. They are moved to
    /// the new task.
    pub from: (i64, u64),
    /// The items that have no result. Their parts do not count.
    pub without: Vec<u32>,
}

impl Kept {
    /// An answer without parts that has `items` results, from `before`.
    pub(super) fn new(answer: Payload, items: u32, before: &[Before]) -> Self {
        let host = before.first().map(|before| before.host.clone()).unwrap_or_default();
        Self { answer, items, parts: None, host }
    }

    /// The same with the parts of the task at index `at`, if there are any parts.
    pub(super) fn with_parts_of(self, before: &[Before], at: usize, without: Vec<u32>) -> Self {
        let has_parts = before.iter().any(|before| before.run.is_some());
        Self { parts: has_parts.then(|| KeptParts { from: before[at].place, without }), ..self }
    }
}

/// The results that a task of an earlier opening has for its files.
pub(super) struct Earlier<T> {
    pub files: Files,
    /// For each file its result, or `None`.
    pub results: Vec<Option<T>>,
    /// The files that differed from the plan when they were read.
    pub differing: Differing,
}

/// The results of unchanged files and a hole for each other file, with the differences of the files
/// that have a result; `None` if no file is unchanged. If several earlier tasks had a file, the
/// first of them counts.
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
    /// The results of files that were as planned, or were copies that differ only in their times.
    fn known(&self) -> impl Iterator<Item = (&PathBytes, (&Item, &T, bool))> {
        let has = |items: &[u32], number: u32| items.binary_search(&number).is_ok();
        (0u32..).zip(self.files.items.iter().zip(&self.results)).filter_map(move |(number, (item, result))| {
            let result = result.as_ref().filter(|_| !has(&self.differing.changed, number))?;
            Some((&item.path, (item, result, has(&self.differing.untimed, number))))
        })
    }
}

/// The failure that marks an item as still open.
pub(super) fn hole(item: u32) -> ItemFailure {
    ItemFailure { elsewhere: true, ..ItemFailure::new(item, "") }
}

/// The items that are still open.
pub(super) fn holes(failed: &[ItemFailure]) -> Vec<u32> {
    failed.iter().filter(|failure| failure.elsewhere).map(|failure| failure.item).collect()
}

/// The items of these failures.
pub(super) fn numbers(failed: &[ItemFailure]) -> Vec<u32> {
    failed.iter().map(|failure| failure.item).collect()
}

/// What an answer adds to its job's items. `check_answer` has seen that no more items failed than
/// there are.
pub(super) fn tally_items(items: u32, failed: &[ItemFailure], differing: &Differing, has_parts: bool) -> Tally {
    Tally {
        items_done: u64::from(items) - failed.len() as u64,
        items_failed: failed.len() as u64,
        items_untimed: differing.untimed.len() as u64,
        items_changed: differing.changed.len() as u64,
        open: holes(failed).len() as u32,
        without_parts: if has_parts { numbers(failed) } else { Vec::new() },
        ..Tally::default()
    }
}

/// The files of a task that are still open.
pub(super) fn open_files(files: Files, holes: &[u32]) -> Files {
    let is_open = |item: u32| holes.binary_search(&item).is_ok();
    let items = (0u32..).zip(files.items).filter(|(item, _)| is_open(*item)).map(|(_, item)| item).collect();
    Files { items, ..files }
}

/// Fills the holes of an answer with the results of the second consumer.
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
                    // The first answer was taken over, so this is the first attempt.
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

/// The differences in an answer whose holes were filled. Items of the rest are numbered differently
/// than in the whole task.
pub(super) fn differing(first: &Differing, rest: &Differing, holes: &[u32]) -> Differing {
    let mut all = first.clone();
    all.add(rest, |item| holes.get(item as usize).copied());
    all
}

/// Bytes of the items that have a result. The planned size is right, because these files are
/// unchanged.
pub(super) fn bytes<T>(files: &Files, results: &[Option<T>]) -> u64 {
    let kept = files.items.iter().zip(results).filter(|(_, result)| result.is_some());
    kept.fold(0, |sum: u64, (item, _)| sum.saturating_add(item.size))
}
