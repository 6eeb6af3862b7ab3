//! How often each word occurs in a job's files: lines of `COUNT`, a tab and `WORD`, the most
//! frequent first, words of one count in byte order.
//!
//! The parts of the outcomes stay in the store. This module adds them up each time, so no stored
//! sum has to be kept in step with them.

mod sum;

use std::io::Write;
use std::path::Path;

use shared::protocol::id::JobId;
use shared::protocol::workload::words::part;

use super::ReportError;
use crate::store::{Reader, Spill};
use sum::Sum;

/// Writes the `top` most frequent words of a finished job, or all of them. Memory is bounded: words
/// beyond the limit go into a temporary file.
pub(super) fn write(store: &Path, job: &JobId, top: Option<u64>, out: &mut dyn Write) -> Result<(), ReportError> {
    let reader = Reader::open(store)?;
    let (mut sum, mut spill) = (Sum::default(), None);
    let mut next = None;
    while let Some((place, body)) = reader.next_part(job, next.as_ref())? {
        sum.add_part(&body).map_err(|reason| ReportError::Content { number: place.number, reason })?;
        if sum.is_full() {
            spill_to(&mut spill, &mut sum)?;
        }
        next = Some(place);
    }
    let mut print = |count: u64, word: &[u8]| {
        let mut line = Vec::with_capacity(word.len() + 24);
        part::write(count, word, &mut line);
        out.write_all(&line).map_err(|cause| ReportError::Output { path: None, cause })
    };
    match spill {
        None => {
            let top = top.map_or(usize::MAX, |top| usize::try_from(top).unwrap_or(usize::MAX));
            sum.by_count().into_iter().take(top).try_for_each(|(word, count)| print(count, &word))?;
        }
        Some(_) => {
            spill_to(&mut spill, &mut sum)?;
            spill.into_iter().try_for_each(|spill| spill.by_count(top, &mut print))?;
        }
    }
    out.flush().map_err(|cause| ReportError::Output { path: None, cause })
}

fn spill_to(spill: &mut Option<Spill>, sum: &mut Sum) -> Result<(), ReportError> {
    let spill = match spill {
        Some(spill) => spill,
        None => spill.insert(Spill::new()?),
    };
    Ok(spill.add(std::mem::take(sum).into_words())?)
}

/// The sum of parts as a report computes it, for the property tests.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn sum_of(parts: &[&[u8]]) -> Result<Vec<(Vec<u8>, u64)>, shared::protocol::reason::Reason> {
    let mut sum = Sum::default();
    parts.iter().try_for_each(|part| sum.add_part(part))?;
    Ok(sum.into_words())
}
