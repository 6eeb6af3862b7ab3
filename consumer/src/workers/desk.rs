//! The pack that a slot works on, as the slot and the watch share it. If the slot is stuck in a call,
//! the watch takes the results that are there, so that neither they nor the calls after it wait.
//!
//! Invariant: each result is in one answer, the early one or the one at the end, and no call begins
//! that the early answer has left to others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared::protocol::limits::RESULTS_BYTES;
use shared::protocol::payload::Payload;
use shared::protocol::workload::call::{CallError, Pack, ResultsBuilder};

use crate::work::{Early, GiveEarly};

/// What a slot works on, if it does.
#[derive(Default)]
pub(super) struct Desk(Mutex<Option<Work>>);

/// A pack in work.
struct Work {
    /// The version of updates that the worker has handled.
    at: u64,
    /// Calls of the pack.
    calls: usize,
    /// How long the slot may work on it before it leaves the other calls.
    budget: Option<Duration>,
    begun: Instant,
    /// When the call began that is being done.
    since: Instant,
    /// Those that are in no answer yet.
    results: ResultsBuilder,
    /// Takes the early answer; `None` if there must be none, or was one.
    give: Option<GiveEarly>,
    is_cut: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Option<Work>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot begins the first call of a pack; its worker has handled the updates up to version
    /// `at`. Returns whether the watch may have to look at it.
    pub fn begin(&self, pack: &Pack, at: u64, early: Option<&dyn Fn() -> GiveEarly>) -> bool {
        let now = Instant::now();
        let budget = budget(pack);
        let give = budget.and(early).map(|early| early());
        let may_be_cut = give.is_some();
        *self.lock() = Some(Work {
            at,
            calls: pack.calls.len(),
            budget,
            begun: now,
            since: now,
            results: ResultsBuilder::default(),
            give,
            is_cut: false,
        });
        may_be_cut
    }

    /// The slot has done a call. Returns whether it does the next one as well.
    pub fn done(&self, result: Result<&[u8], CallError>) -> bool {
        let mut work = self.lock();
        let Some(work) = work.as_mut() else { return false };
        work.results.push(|to| result.map(|bytes| to.extend_from_slice(bytes)));
        let goes_on = work.goes_on();
        if !goes_on {
            // From here on no call is under way, however long the slot waits for a core.
            work.give = None;
        }
        goes_on
    }

    /// The work on the pack has ended: the answer to it, or to the call that the early answer has not.
    pub fn end(&self) -> Payload {
        let Some(mut work) = self.lock().take() else { return ResultsBuilder::default().finish(0, 0) };
        let left = if work.is_cut { 0 } else { work.calls - work.results.len() };
        work.results.finish(work.at, count(left))
    }

    /// Gives the early answer, if the slot is stuck in a call. Returns when that may be the case; `None`
    /// if it cannot be.
    pub fn look(&self, now: Instant) -> Option<Instant> {
        let mut work = self.lock();
        let work = work.as_mut()?;
        let budget = work.budget.filter(|_| work.give.is_some())?;
        // A call that is only slow ends soon, and the slot then answers early itself.
        let late = (work.begun + budget).max(work.since + budget / 2);
        if now < late {
            return Some(late);
        }
        let give = work.give.take()?;
        work.is_cut = true;
        let done = work.results.len();
        let micros = u64::try_from((work.since - work.begun).as_micros()).unwrap_or(u64::MAX);
        let answer = work.results.finish(work.at, count(work.calls - done - 1));
        give(Early { answer, open: vec![count(done)], micros });
        None
    }
}

impl Work {
    /// Whether another call begins now.
    fn goes_on(&mut self) -> bool {
        if self.is_cut || self.results.len() == self.calls || self.results.bytes() > RESULTS_BYTES {
            return false;
        }
        let Some(budget) = self.budget else { return true };
        self.since = Instant::now();
        self.since - self.begun < budget
    }
}

/// How long a slot may work on a pack; `None`: as long as it takes.
fn budget(pack: &Pack) -> Option<Duration> {
    Some(Duration::from_micros(pack.budget)).filter(|budget| !budget.is_zero() && pack.calls.len() > 1)
}

fn count(calls: usize) -> u32 {
    u32::try_from(calls).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use shared::protocol::workload::call::Results;

    use super::*;

    const BUDGET: Duration = Duration::from_millis(10);

    fn pack(calls: usize) -> Pack {
        Pack { need: 0, budget: BUDGET.as_micros() as u64, calls: vec![b"x"[..].into(); calls] }
    }

    fn read(answer: &Payload) -> (u64, u32, Vec<Vec<u8>>) {
        let Results { at, left, results } = Results::parse(answer).expect("it can be read");
        (at, left, results.into_iter().map(|result| result.expect("no error").to_vec()).collect())
    }

    /// A desk, and what it gives early.
    fn desk(pack: &Pack) -> (Desk, Arc<Mutex<Vec<Early>>>) {
        let (desk, given) = (Desk::default(), Arc::<Mutex<Vec<Early>>>::default());
        let to = Arc::clone(&given);
        let give: GiveEarly = Arc::new(move |early| to.lock().expect("no panic").push(early));
        desk.begin(pack, 7, Some(&|| Arc::clone(&give)));
        (desk, given)
    }

    #[test]
    fn a_slot_that_is_stuck_has_its_results_taken_and_ends_with_the_one_call() {
        let (desk, given) = desk(&pack(5));
        let begun = Instant::now();
        assert!(desk.done(Ok(b"a")) && desk.done(Ok(b"b")));
        assert!(desk.look(begun).is_some_and(|late| late > begun + BUDGET / 2));
        assert!(given.lock().expect("no panic").is_empty());
        assert_eq!(desk.look(begun + BUDGET * 3), None);
        let early = given.lock().expect("no panic").pop().expect("it is given");
        assert_eq!((read(&early.answer), early.open), ((7, 2, vec![b"a".to_vec(), b"b".to_vec()]), vec![2]));
        assert_eq!(desk.look(begun + BUDGET * 9), None, "once only");
        assert!(given.lock().expect("no panic").is_empty());
        assert!(!desk.done(Ok(b"c")), "the others are left");
        assert_eq!(read(&desk.end()), (7, 0, vec![b"c".to_vec()]));
    }

    #[test]
    fn a_slot_that_is_not_stuck_leaves_the_others_itself() {
        let (desk, given) = desk(&pack(3));
        assert!(desk.done(Ok(b"a")));
        std::thread::sleep(BUDGET);
        assert!(!desk.done(Ok(b"b")));
        assert_eq!(desk.look(Instant::now() + BUDGET * 9), None, "no call is under way");
        assert_eq!(read(&desk.end()), (7, 1, vec![b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(desk.look(Instant::now() + BUDGET * 9), None, "nothing is in work");
        assert!(given.lock().expect("no panic").is_empty());
    }

    #[test]
    fn a_slot_that_has_done_all_calls_is_not_stuck() {
        let (desk, given) = desk(&pack(2));
        assert!(desk.done(Ok(b"a")) && !desk.done(Ok(b"b")));
        assert_eq!(desk.look(Instant::now() + BUDGET * 9), None);
        assert_eq!(read(&desk.end()), (7, 0, vec![b"a".to_vec(), b"b".to_vec()]));
        assert!(given.lock().expect("no panic").is_empty());
    }

    #[test]
    fn the_last_call_and_the_first_are_cut_as_well() {
        for done in [0, 2] {
            let (desk, given) = desk(&pack(3));
            (0..done).for_each(|_| assert!(desk.done(Ok(b"a"))));
            desk.look(Instant::now() + BUDGET * 9);
            let early = given.lock().expect("no panic").pop().expect("it is given");
            let (_, left, results) = read(&early.answer);
            assert_eq!((left, results.len(), early.open), (2 - done, done as usize, vec![done]));
        }
    }

    #[test]
    fn nothing_is_given_of_single_calls_and_of_packs_without_a_budget() {
        for pack in [pack(1), Pack { budget: 0, ..pack(3) }] {
            let (desk, given) = desk(&pack);
            assert_eq!(desk.look(Instant::now() + BUDGET * 9), None);
            assert!(given.lock().expect("no panic").is_empty());
        }
    }
}
