//! The call workload: results of calls. They go to the caller as they are counted, so a report shows
//! errors only.

use shared::protocol::job::Counts;
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::call::{Pack, Results, Spec};

use super::{Digest, Fold, Itemwise, Record, Settled, Tally};

/// Bytes of an answer before its results: the version that its slot had, and what it left.
const HEAD: usize = 12;

impl Fold for Spec {
    fn tally(&self, items: u32, answer: &Payload, _: bool) -> Result<Tally, Reason> {
        let (done, failed, left) = Results::count(answer)?;
        if u64::from(done) + u64::from(failed) + u64::from(left) != u64::from(items) || left == items {
            let detail = format!("{done} results, {failed} errors and {left} calls left, of {items} calls");
            return Err(Reason::Body { detail });
        }
        Ok(Tally { items_done: done.into(), items_failed: failed.into(), left, ..Tally::default() })
    }

    /// Of two slots one may have had a later version, and may have left more calls.
    fn is_same(&self, _: u32, first: &Payload, second: &Payload) -> bool {
        self.digest(first).agrees(&self.digest(second))
    }

    fn tries_items_alone(&self) -> bool {
        true
    }

    fn itemwise(&self) -> Option<&dyn Itemwise> {
        Some(self)
    }

    /// The pool has delivered the results, and planned what was left.
    fn tally_early(&self, items: u32, early: &Payload) -> Option<Tally> {
        let open = self.open_items(items, early).ok()?.len() as u32;
        let (done, failed, left) = Results::count(early).ok()?;
        Some(Tally { items_done: done.into(), items_failed: failed.into(), left, open, ..Tally::default() })
    }

    fn digest(&self, answer: &Payload) -> Digest {
        let results = Results::count(answer).map_or(0, |(done, failed, _)| done.saturating_add(failed));
        Digest::of_results(results, answer.bytes.get(HEAD..).unwrap_or_default())
    }

    fn records(&self, _: &Counts, task: &Settled) -> Result<Vec<Record>, Reason> {
        let failed = |call: usize, reason: String| Record::Failed {
            name: PathBytes(format!("call {call} of task {}", task.number).into_bytes()),
            reason,
        };
        Ok(match &task.answer {
            Some(Ok(answer)) => {
                let results = Results::parse(answer)?.results.into_iter().enumerate();
                results.filter_map(|(call, result)| Some(failed(call, result.err()?.to_string()))).collect()
            }
            Some(Err(reason)) => {
                let name = PathBytes(format!("calls of task {}", task.number).into_bytes());
                vec![Record::Failed { name, reason: reason.clone() }]
            }
            None => Vec::new(),
        })
    }
}

/// An early answer has the results before the call that its slot is at. That one is open, and those
/// after it are left.
impl Itemwise for Spec {
    fn open_items(&self, items: u32, early: &Payload) -> Result<Vec<u32>, Reason> {
        let (done, failed, left) = Results::count(early)?;
        let (results, left) = (u64::from(done) + u64::from(failed), u64::from(left));
        if results + left + 1 != u64::from(items) {
            let detail = format!("{results} results and {left} calls left, of {items} calls, of which one is open");
            return Err(Reason::Body { detail });
        }
        Ok(vec![done + failed])
    }

    fn rest(&self, body: &Payload, items: &[u32]) -> Result<Payload, Reason> {
        let Pack { need, calls, .. } = Pack::parse(body)?;
        let calls = items.iter().filter_map(|&item| calls.get(item as usize).cloned()).collect();
        Ok(Pack { need, budget: 0, calls }.body())
    }

    fn merge(&self, _: u32, early: &Payload, rest: &Payload) -> Result<Payload, Reason> {
        let (mut early, rest) = (Results::parse(early)?, Results::parse(rest)?);
        if rest.results.len() != 1 || rest.left != 0 {
            let detail = format!("{} results and {} calls left, of one call", rest.results.len(), rest.left);
            return Err(Reason::Body { detail });
        }
        early.results.extend(rest.results);
        Ok(early.answer())
    }
}

#[cfg(test)]
mod tests {
    use shared::protocol::workload::call::{CallError, CallErrorKind, ResultsBuilder};

    use super::*;

    fn spec() -> Spec {
        Spec { pool: "p".parse().expect("an id"), worker: "w".to_owned(), init: Payload::json("0") }
    }

    fn answer(at: u64, left: u32, results: &[&str]) -> Payload {
        let mut builder = ResultsBuilder::default();
        for result in results {
            builder.push(|to| {
                to.extend_from_slice(result.as_bytes());
                let error = CallError { kind: CallErrorKind::Failed, message: (*result).to_owned() };
                if result.is_empty() { Err(error) } else { Ok(()) }
            });
        }
        builder.finish(at, left)
    }

    #[test]
    fn results_errors_and_what_is_left_add_up_to_the_pack() {
        let tally = spec().tally(4, &answer(0, 1, &["a", "", "b"]), false).expect("it adds up");
        assert_eq!((tally.items_done, tally.items_failed, tally.left), (2, 1, 1));
        assert!(spec().tally(3, &answer(0, 1, &["a", "", "b"]), false).is_err());
        // It would go round for ever.
        assert!(spec().tally(2, &answer(0, 2, &[]), false).is_err());
    }

    #[test]
    fn an_early_answer_and_its_rest_are_the_answer() {
        let (spec, early) = (spec(), answer(7, 2, &["a", ""]));
        assert_eq!(spec.open_items(5, &early), Ok(vec![2]));
        assert!(spec.open_items(4, &early).is_err() && spec.open_items(6, &early).is_err());
        let calls = ["v", "w", "x", "y", "z"].map(|call| call.as_bytes().into()).to_vec();
        let rest = spec.rest(&Pack { need: 3, budget: 9, calls }.body(), &[2]).expect("it can be read");
        assert_eq!(rest, Pack { need: 3, budget: 0, calls: vec![b"x"[..].into()] }.body());
        assert_eq!(spec.merge(5, &early, &answer(8, 0, &["c"])), Ok(answer(7, 2, &["a", "", "c"])));
        assert!(spec.merge(5, &early, &answer(8, 0, &["c", "d"])).is_err());
        let tally = spec.tally_early(5, &early).expect("it counts");
        assert_eq!((tally.items_done, tally.items_failed, tally.left, tally.open), (1, 1, 2, 1));
    }

    #[test]
    fn answers_to_as_many_calls_are_compared_whatever_version_their_slots_had() {
        assert!(spec().is_same(2, &answer(1, 0, &["a", "b"]), &answer(2, 0, &["a", "b"])));
        assert!(!spec().is_same(2, &answer(1, 0, &["a", "b"]), &answer(1, 0, &["a", "c"])));
        assert!(spec().is_same(3, &answer(1, 1, &["a", "b"]), &answer(1, 0, &["a", "b", "c"])));
    }
}
