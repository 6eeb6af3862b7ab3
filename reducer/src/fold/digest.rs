//! Digests: one record a file.

use shared::message::Reason;
use shared::workload::digest::{Answer, Batch, Spec};

use super::files::each;
use super::{Record, Settled, Tally};

pub(super) fn tally(items: u32, answer: &[u8]) -> Result<Tally, Reason> {
    let answer = Answer::parse(answer, items)?;
    let failed = answer.failed.len() as u64;
    Ok(Tally { items_done: u64::from(items) - failed, items_failed: failed, bytes: answer.bytes, ..Tally::default() })
}

/// Digests and which files have none; the wording of a failure may differ between machines.
pub(super) fn is_same(items: u32, first: &[u8], second: &[u8]) -> bool {
    match (Answer::parse(first, items), Answer::parse(second, items)) {
        (Ok(first), Ok(second)) => first.digests == second.digests,
        _ => first == second,
    }
}

pub(super) fn records(spec: &Spec, task: &Settled) -> Result<Vec<Record>, Reason> {
    let (Some(body), Some(answer)) = (&task.body, &task.answer) else { return Ok(Vec::new()) };
    let files = Batch::parse(body).map(|batch| batch.files);
    let parse = |answer: &[u8], items| Answer::parse(answer, items).map(|answer| (answer.digests, answer.failed));
    each(&spec.files, task.number, files, answer, parse, |name, size, digest| Record::File { name, digest, size })
}
