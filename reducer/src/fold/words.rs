//! The words workload: one record for each file, and one for their total.

use bytes::Bytes;
use shared::protocol::job;
use shared::protocol::path::PathBytes;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::Files;
use shared::protocol::workload::words::{Answer, Batch, Check, Counts, Spec, part};

use super::files::{Results, agree, each, items};
use super::kept::{Before, Earlier, differing, filled, hole, holes, open_files, tally_items, unchanged};
use super::{Record, Settled, Tally, json};

/// The keys of a job's totals.
const LINES: &str = "lines";
const WORDS: &str = "words";
const CHARACTERS: &str = "characters";

pub(super) fn tally(items: u32, answer: &[u8], has_parts: bool) -> Result<Tally, Reason> {
    let answer = Answer::parse(answer, items)?;
    if !has_parts && answer.check != Check::default() {
        return Err(Reason::Body { detail: "its check covers words, but it came without parts".to_owned() });
    }
    let total = answer.total();
    Ok(Tally {
        bytes: total.bytes,
        totals: vec![(LINES, total.lines), (WORDS, total.words), (CHARACTERS, total.characters)],
        ..tally_items(items, &answer.failed, &answer.differing)
    })
}

/// Checks that each word occurs once, in byte order. A word's sum cannot overflow in practice: that
/// would take more parts than a consumer can send.
pub(super) fn check_part(body: &[u8]) -> Result<(), Reason> {
    let mut before: Option<&[u8]> = None;
    part::lines(body).try_for_each(|line| {
        let (_, word) = line?;
        if before.replace(word).is_some_and(|before| before >= word) {
            return Err(Reason::Body { detail: "the words of a part are not in byte order, each once".to_owned() });
        }
        Ok(())
    })
}

/// The counts of unchanged files. Word frequencies are known only for all files of a task together,
/// so they are kept only if all of these are unchanged. Then the index of the earlier task is
/// returned as well.
pub(super) fn keep(body: &[u8], before: &[Before]) -> Option<(Bytes, u32, Option<usize>)> {
    let batch = Batch::parse(body).ok()?;
    let known = before.iter().map(|before| {
        let known = Batch::parse(&before.body).ok()?.files;
        let answer = Answer::parse(&before.answer, items(&known)).ok()?;
        Some((known, answer))
    });
    if batch.manner.frequencies {
        let is_same = |files: &Files| *files == batch.files && files.items.iter().all(|item| item.times.is_some());
        // The frequencies do not say which file a word is from, so all files must match.
        let holds = |(files, answer): &(Files, Answer)| is_same(files) && answer.differing.changed.is_empty();
        let (at, (_, mut answer)) = known.enumerate().find_map(|(at, known)| Some((at, known.filter(holds)?)))?;
        answer.failed.iter_mut().for_each(|failure| *failure = hole(failure.item));
        let kept = answer.counts.iter().flatten().count() as u32;
        return (kept > 0).then(|| (json(&answer), kept, Some(at)));
    }
    let earlier = |(files, answer): (_, Answer)| Earlier { files, results: answer.counts, differing: answer.differing };
    let known: Vec<_> = known.flatten().map(earlier).collect();
    let ((counts, failed), differing) = unchanged(&batch.files, &known)?;
    let kept = counts.iter().flatten().count() as u32;
    Some((json(&Answer { counts, failed, check: Check::default(), differing }), kept, None))
}

pub(super) fn open_items(answer: &[u8], items: u32) -> Result<Vec<u32>, Reason> {
    Ok(holes(&Answer::parse(answer, items)?.failed))
}

pub(super) fn rest(body: &[u8], holes: &[u32]) -> Result<Bytes, Reason> {
    let Batch { manner, files } = Batch::parse(body)?;
    Ok(json(&Batch { manner, files: open_files(files, holes) }))
}

pub(super) fn merge(items: u32, first: &[u8], rest: &[u8]) -> Result<Bytes, Reason> {
    let first = Answer::parse(first, items)?;
    let holes = holes(&first.failed);
    let rest = Answer::parse(rest, holes.len() as u32)?;
    let mut check = first.check;
    check += rest.check;
    let differing = differing(&first.differing, &rest.differing, &holes);
    let results = |answer: Answer| -> Results<Counts> { (answer.counts, answer.failed) };
    let (counts, failed) = filled(results(first), results(rest))?;
    Ok(json(&Answer { counts, failed, check, differing }))
}

/// Compares the counts that both answers have, and the check over the words if both are about the
/// same files. A file that one machine cannot read may be readable on another.
pub(super) fn is_same(items: u32, first: &[u8], second: &[u8]) -> bool {
    match (Answer::parse(first, items), Answer::parse(second, items)) {
        (Ok(first), Ok(second)) => {
            let is_of_same = first.counts.iter().map(Option::is_some).eq(second.counts.iter().map(Option::is_some));
            agree(&first.counts, &second.counts) && (!is_of_same || first.check == second.check)
        }
        _ => first == second,
    }
}

pub(super) fn records(spec: &Spec, account: &job::Counts, task: &Settled) -> Result<Vec<Record>, Reason> {
    let (Some(body), Some(answer)) = (&task.body, &task.answer) else { return Ok(Vec::new()) };
    let files = Batch::parse(body).map(|batch| batch.files);
    let parse = |answer: &[u8], items| Answer::parse(answer, items).map(|answer| (answer.counts, answer.failed));
    each(&spec.files, task.number, files, answer, parse, |name, _, counts| record(spec, account, Some(name), counts))
}

/// The record of the total, if there are several files.
pub(super) fn closing(spec: &Spec, account: &job::Counts) -> Vec<Record> {
    if account.items_planned < 2 {
        return Vec::new();
    }
    let total = |name| account.totals.get(name).copied().unwrap_or(0);
    let (lines, words, characters) = (total(LINES), total(WORDS), total(CHARACTERS));
    vec![record(spec, account, None, Counts { lines, words, characters, bytes: account.bytes_done })]
}

/// Numbers are padded to the width of the total size in bytes, the largest possible number, as GNU
/// `wc` does.
fn record(spec: &Spec, account: &job::Counts, name: Option<PathBytes>, counts: Counts) -> Record {
    let width = account.bytes_planned.to_string().len();
    Record::Counted { name, counts, characters: spec.manner.characters, width }
}

pub(super) fn so_far(account: &job::Counts) -> u64 {
    account.totals.get(WORDS).copied().unwrap_or(0)
}
