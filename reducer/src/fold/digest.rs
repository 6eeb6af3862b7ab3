//! Digests: one record a file.

use shared::message::Reason;
use shared::path::PathBytes;
use shared::workload::digest::{Answer, Batch, Spec};

use super::{Record, Settled, Tally};

pub(super) fn tally(items: u32, answer: &[u8]) -> Result<Tally, Reason> {
    let answer = Answer::parse(answer, items)?;
    let failed = answer.failed.len() as u64;
    Ok(Tally { items_done: u64::from(items) - failed, items_failed: failed, bytes: answer.bytes, amount: 0 })
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
    let batch = Batch::parse(body)?;
    let prefix = spec.roots.iter().find(|root| root.name == batch.root).map_or(&[][..], |root| root.prefix.as_bytes());
    let name = |item: &PathBytes| PathBytes([prefix, item.as_bytes()].concat());
    let answer = match answer {
        Ok(answer) => Answer::parse(answer, u32::try_from(batch.items.len()).unwrap_or(u32::MAX))?,
        Err(reason) => {
            let failed = |item: &shared::workload::digest::Item| Record::Failed {
                name: name(&item.path),
                reason: reason.clone(),
            };
            return Ok(batch.items.iter().map(failed).collect());
        }
    };
    let mut reasons = answer.failed.into_iter();
    let record = |(item, digest): (shared::workload::digest::Item, Option<String>)| match digest {
        Some(digest) => Record::File { name: name(&item.path), digest, size: item.size },
        // Answer::parse has checked that there is a reason for each null, in this order.
        None => Record::Failed { name: name(&item.path), reason: reasons.next().map(|f| f.reason).unwrap_or_default() },
    };
    Ok(batch.items.into_iter().zip(answer.digests).map(record).collect())
}
