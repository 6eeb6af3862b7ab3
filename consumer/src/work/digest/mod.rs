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

use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::digest::{Answer, Batch};
use shared::protocol::workload::files::Differing;

use super::{Context, ItemResult, Split, Work, WorkError, files};
use reader::{Digested, Reader};

/// A digest for each file of a batch.
#[derive(Debug)]
pub(super) struct DigestWork;

impl Work for DigestWork {
    fn work(&self, body: &Payload, context: Context<'_>) -> Result<Payload, WorkError> {
        let Context { site, planned_at, cancelled, .. } = context;
        let batch = Batch::parse(body)?;
        let mut reader = Reader::new(batch.algorithm);
        let done = files::each(&batch.files, (site, planned_at), cancelled, &mut |at, opened| {
            reader.read(at, opened, cancelled)
        })?;
        Ok(Payload::of(&answer(batch.files.items.len(), reader.finish(), done)))
    }

    /// Divides a batch into batches of one file.
    fn split(&self, body: &Payload) -> Result<Split, Reason> {
        let Batch { algorithm, files } = Batch::parse(body)?;
        files::split(files, |files| Payload::of(&Batch { algorithm, files }))
    }

    fn join(&self, results: Vec<ItemResult>) -> Result<Payload, WorkError> {
        let (mut bytes, mut differing) = (0, Differing::default());
        let (digests, failed) = files::join(results, |item, answer| {
            let answer = Answer::parse(answer, 1)?;
            bytes += answer.bytes;
            differing.add(&answer.differing, |_| Some(item));
            Ok((answer.digests, answer.failed))
        })?;
        Ok(Payload::of(&Answer { digests, failed, bytes, differing }))
    }
}

fn answer(items: usize, digested: Vec<(usize, Digested)>, files::Done { failed, differing }: files::Done) -> Answer {
    let mut answer = Answer { digests: vec![None; items], failed, bytes: 0, differing };
    for (at, (digest, bytes)) in digested {
        answer.digests[at] = Some(digest.to_hex());
        answer.bytes += bytes;
    }
    answer
}
