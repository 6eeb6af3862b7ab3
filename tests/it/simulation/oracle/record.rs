//! What the owner has committed of one task, and what of it counts.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;
use shared::message::Parts;

/// What was committed of one task.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// Up to which attempt the whole task was asked for, if some of its items were then asked of another consumer.
    pub kept: Option<u32>,
    pub first: Option<Bytes>,
    pub duplicates: u64,
    pub conflicts: u64,
    pub incomplete: u32,
    pub parts: BTreeSet<(String, u32)>,
}

impl Record {
    /// Whether it asked for the whole task, of which the rest alone is asked for now.
    pub fn is_of_before(&self, attempt: u32) -> bool {
        self.kept.is_some_and(|kept| attempt <= kept)
    }

    /// `kept`: the attempt from which the owner has a part of the answer after this; 0 if from an opening before.
    pub fn done(&mut self, (attempt, answer, parts): (u32, Bytes, Option<Parts>), kept: Option<u32>, items: usize) {
        if self.is_of_before(attempt) {
            self.duplicates += 1;
            return;
        }
        if let Some(first) = &self.first {
            self.duplicates += 1;
            self.conflicts += u64::from(differ(first, &answer));
            return;
        }
        let is_there = |parts: &Parts| (0..parts.count).all(|n| self.parts.contains(&(parts.run.to_string(), n)));
        // The rest of an answer of which an older store does not have the other part.
        let is_odd = kept.is_none() && items > 0 && results(&answer).is_some_and(|results| results.len() != items);
        if kept.is_some_and(|kept| kept > 0) && self.kept.is_none() {
            self.kept = kept;
        } else if is_odd {
            self.incomplete += 1;
        } else if parts.as_ref().is_none_or(is_there) {
            self.first = Some(answer);
        } else {
            self.incomplete += 1;
        }
    }
}

/// The results in an answer about files, a null for each that has none.
fn results(answer: &[u8]) -> Option<Vec<Value>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    ["digests", "counts"].iter().find_map(|results| answer[results].as_array().cloned())
}

/// Whether two answers contradict each other. What one consumer cannot read another one may.
fn differ(first: &[u8], second: &[u8]) -> bool {
    let (Some(one), Some(other)) = (results(first), results(second)) else { return first != second };
    let is_other = |(one, other): (&Value, &Value)| !one.is_null() && !other.is_null() && one != other;
    one.len() != other.len() || one.iter().zip(&other).any(is_other)
}
