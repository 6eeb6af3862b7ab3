//! The work of `digest`: a digest of each file of a batch.
//!
//! # Layout
//! - `reader`: reads files and returns their digests
//! - `hash`: the digest algorithms
//! - `multibuffer`: digests many short contents at once

mod hash;
mod multibuffer;
mod reader;
#[cfg(test)]
mod tests;

use shared::protocol::reason::Reason;
use shared::protocol::workload::digest::{Answer, Batch};
use shared::protocol::workload::files::Differing;

use super::{Context, ItemResult, Split, WorkError, files, json};
use reader::{Digested, Reader};

pub(super) fn work(body: &[u8], context: &Context<'_>) -> Result<Answer, WorkError> {
    let Context { site, planned_at, cancelled, .. } = context;
    let batch = Batch::parse(body)?;
    let mut reader = Reader::new(batch.algorithm);
    let done = files::each(&batch.files, (site, *planned_at), cancelled, &mut |at, opened| {
        reader.read(at, opened, cancelled)
    })?;
    Ok(answer(batch.files.items.len(), reader.finish(), done))
}

/// Divides a batch into batches of one file.
pub(super) fn split(body: &[u8]) -> Result<Split, Reason> {
    let Batch { algorithm, files } = Batch::parse(body)?;
    files::split(files, |files| json(&Batch { algorithm, files }))
}

pub(super) fn join(results: Vec<ItemResult>) -> Result<Answer, WorkError> {
    let (mut bytes, mut differing) = (0, Differing::default());
    let (digests, failed) = files::join(results, |item, answer| {
        let answer = Answer::parse(answer, 1)?;
        bytes += answer.bytes;
        differing.add(&answer.differing, |_| Some(item));
        Ok((answer.digests, answer.failed))
    })?;
    Ok(Answer { digests, failed, bytes, differing })
}

fn answer(items: usize, digested: Vec<(usize, Digested)>, files::Done { failed, differing }: files::Done) -> Answer {
    let mut answer = Answer { digests: vec![None; items], failed, bytes: 0, differing };
    for (at, (digest, bytes)) in digested {
        answer.digests[at] = Some(digest.to_hex());
        answer.bytes += bytes;
    }
    answer
}
