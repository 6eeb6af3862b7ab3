//! The digest workload: one record for each file.

use bytes::Bytes;
use shared::protocol::reason::Reason;
use shared::protocol::workload::digest::{Answer, Batch, Spec};

use super::files::{Results, agree, each, items};
use super::kept::{Before, Earlier, differing, filled, holes, open_files, tally_items, unchanged};
use super::{Record, Settled, Tally, json, kept};

pub(super) fn tally(items: u32, answer: &[u8]) -> Result<Tally, Reason> {
    let answer = Answer::parse(answer, items)?;
    Ok(Tally { bytes: answer.bytes, ..tally_items(items, &answer.failed, &answer.differing) })
}

/// Compares the digests that both answers have. A file that one machine cannot read may be readable
/// on another.
pub(super) fn is_same(items: u32, first: &[u8], second: &[u8]) -> bool {
    match (Answer::parse(first, items), Answer::parse(second, items)) {
        (Ok(first), Ok(second)) => agree(&first.digests, &second.digests),
        _ => first == second,
    }
}

/// The digests of unchanged files, and their number.
pub(super) fn keep(body: &[u8], before: &[Before]) -> Option<(Bytes, u32)> {
    let files = Batch::parse(body).ok()?.files;
    let before = before.iter().filter_map(|before| {
        let known = Batch::parse(&before.body).ok()?.files;
        let answer = Answer::parse(&before.answer, items(&known)).ok()?;
        Some(Earlier { files: known, results: answer.digests, differing: answer.differing })
    });
    let ((digests, failed), differing) = unchanged(&files, &before.collect::<Vec<_>>())?;
    let kept = digests.iter().flatten().count() as u32;
    let bytes = kept::bytes(&files, &digests);
    Some((json(&Answer { digests, failed, bytes, differing }), kept))
}

pub(super) fn open_items(answer: &[u8], items: u32) -> Result<Vec<u32>, Reason> {
    Ok(holes(&Answer::parse(answer, items)?.failed))
}

pub(super) fn rest(body: &[u8], holes: &[u32]) -> Result<Bytes, Reason> {
    let Batch { algorithm, files } = Batch::parse(body)?;
    Ok(json(&Batch { algorithm, files: open_files(files, holes) }))
}

pub(super) fn merge(items: u32, first: &[u8], rest: &[u8]) -> Result<Bytes, Reason> {
    let first = Answer::parse(first, items)?;
    let holes = holes(&first.failed);
    let rest = Answer::parse(rest, holes.len() as u32)?;
    let bytes = first.bytes.saturating_add(rest.bytes);
    let differing = differing(&first.differing, &rest.differing, &holes);
    let results = |answer: Answer| -> Results<String> { (answer.digests, answer.failed) };
    let (digests, failed) = filled(results(first), results(rest))?;
    Ok(json(&Answer { digests, failed, bytes, differing }))
}

pub(super) fn records(spec: &Spec, task: &Settled) -> Result<Vec<Record>, Reason> {
    let (Some(body), Some(answer)) = (&task.body, &task.answer) else { return Ok(Vec::new()) };
    let files = Batch::parse(body).map(|batch| batch.files);
    let parse = |answer: &[u8], items| Answer::parse(answer, items).map(|answer| (answer.digests, answer.failed));
    each(&spec.files, task.number, files, answer, parse, |name, size, digest| Record::File { name, digest, size })
}
