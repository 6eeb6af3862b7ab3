//! What the owner has committed of one task, and what of it counts.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::protocol::id::PlanHash;
use shared::protocol::message::Parts;
use shared::protocol::payload::Payload;

use super::seen::Said;

/// What was committed of one task.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// What is asked for since some of its items were left to another consumer.
    pub rest: Option<PlanHash>,
    pub first: Option<Payload>,
    pub duplicates: u64,
    pub conflicts: u64,
    pub incomplete: u32,
    pub parts: BTreeSet<(String, u32)>,
}

/// How what is said of a task stands to what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Asked,
    /// It is of the whole task, of which the rest alone is asked for.
    Before,
    /// It is of another rest, or of one where the whole task is asked for.
    Stale,
}

impl Record {
    fn standing(&self, said: &Said, asked: Option<&PlanHash>) -> Standing {
        match (self.rest.as_ref().or(asked), &said.rest) {
            (None, None) => Standing::Asked,
            (Some(_), None) => Standing::Before,
            (asked, rest) if asked == rest.as_ref() => Standing::Asked,
            _ => Standing::Stale,
        }
    }

    /// `asked`: the rest that was asked for before this turn. `left`: the one that is asked for after it, if another
    /// consumer is. Returns whether the answer counts.
    pub fn done(
        &mut self,
        said: &Said,
        (answer, parts): (Payload, Option<Parts>),
        asked: Option<&PlanHash>,
        left: Option<PlanHash>,
    ) -> bool {
        match self.standing(said, asked) {
            Standing::Asked => {}
            Standing::Before => {
                self.duplicates += 1;
                return false;
            }
            Standing::Stale => return false,
        }
        if let Some(first) = &self.first {
            self.duplicates += 1;
            self.conflicts += u64::from(differ(first, &answer));
            return false;
        }
        let is_there = |parts: &Parts| (0..parts.count).all(|n| self.parts.contains(&(parts.run.to_string(), n)));
        if !parts.as_ref().is_none_or(is_there) {
            self.incomplete += 1;
            return false;
        }
        if left.is_some() && self.rest.is_none() {
            self.rest = left;
        } else {
            self.first = Some(answer);
        }
        true
    }

    pub fn failed(&mut self, said: &Said, asked: Option<&PlanHash>) {
        let standing = self.standing(said, asked);
        let is_late = standing == Standing::Before || (standing == Standing::Asked && self.first.is_some());
        self.duplicates += u64::from(is_late);
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
