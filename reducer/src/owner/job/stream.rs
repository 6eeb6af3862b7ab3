//! The stream of a job's results to a caller in this process. What the caller has taken leaves the
//! store; digests of the latest stay, to compare repeats with.

use std::collections::{BTreeSet, VecDeque};

use shared::protocol::id::PlanHash;
use shared::protocol::limits::DIGESTS_KEPT;

use crate::fold::Digest;
use crate::owner::Contiguous;

/// So many tasks after one that is open keep their contents, at least. Most gaps close soon.
const BEHIND_MAX: u64 = 1_024;

/// What stays of a task whose rows have left the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Hash of the plan up to the task.
    pub plan: PlanHash,
    /// The one that stood for the rest of it, if it was answered in two parts.
    pub rest: Option<PlanHash>,
    /// Of its answer; `None` if it failed.
    pub digest: Option<Digest>,
}

/// Invariant: a task is released only when it and all before it were answered and taken.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    taken: Contiguous,
    /// Tasks below this number have left the store.
    released: u64,
    /// Of the tasks below this number, the contents of those that were taken have left the store.
    emptied: u64,
    /// The latest tasks, from number `first` on; `None` for one that is not answered.
    remembered: VecDeque<Option<Remembered>>,
    first: u64,
    /// Tasks that were answered in part: a slot is stuck in what is open of each.
    rests: BTreeSet<u64>,
    /// The consumers and slots that the caller was told of.
    served: Option<(u32, u64)>,
}

impl Stream {
    /// A stream of a job whose tasks below this number have left the store.
    pub fn after(released: u64) -> Self {
        Self { taken: Contiguous::up_to(released), released, first: released, ..Self::default() }
    }

    /// Whether the caller does not know yet that so many consumers and slots do the tasks.
    pub fn is_news(&mut self, consumers: u32, slots: u64) -> bool {
        self.served.replace((consumers, slots)) != Some((consumers, slots))
    }

    /// A part of a task is answered.
    pub fn begin_rest(&mut self, number: u64) {
        self.rests.insert(number);
    }

    pub const fn rests(&self) -> &BTreeSet<u64> {
        &self.rests
    }

    /// A task is answered.
    pub fn remember(&mut self, number: u64, task: Remembered) {
        self.rests.remove(&number);
        let Some(place) = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else { return };
        if place >= self.remembered.len() {
            self.remembered.resize(place + 1, None);
        }
        self.remembered[place] = Some(task);
        while self.remembered.len() > DIGESTS_KEPT {
            self.remembered.pop_front();
            self.first += 1;
        }
    }

    /// The caller has taken the result of a task.
    pub fn take(&mut self, number: u64) {
        self.taken.insert(number);
    }

    /// The tasks that can leave the store now, of those below `answered`: all before them have
    /// their outcomes. They count as released from now on.
    pub fn release(&mut self, answered: u64) -> Option<(u64, u64)> {
        let (from, below) = (self.released, self.taken.prefix().min(answered));
        if below <= from {
            return None;
        }
        self.released = below;
        Some((from, below))
    }

    /// Runs of tasks whose contents can leave the store, though one before them is open for long. They
    /// count as emptied from now on.
    pub fn empty(&mut self) -> Vec<(u64, u64)> {
        let (from, below) = (self.released.max(self.emptied), self.taken.end());
        if below < from + BEHIND_MAX {
            return Vec::new();
        }
        self.emptied = below;
        self.taken.runs_between(from, below)
    }

    /// Whether a task was released so long ago that nothing of it stays.
    pub fn is_past(&self, number: u64) -> bool {
        number < self.first.min(self.released)
    }

    /// What stays of a task; `None` if it was answered too long ago, or is not answered.
    pub fn remembered(&self, number: u64) -> Option<&Remembered> {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok())?;
        self.remembered.get(place)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_and_answered_without_a_gap_is_released() {
        let mut stream = Stream::default();
        [1, 2].into_iter().for_each(|number| stream.take(number));
        assert_eq!(stream.release(3), None);
        stream.take(0);
        assert_eq!(stream.release(2), Some((0, 2)));
        assert_eq!((stream.release(2), stream.release(3)), (None, Some((2, 3))));
    }

    #[test]
    fn the_latest_digests_stay() {
        let mut stream = Stream::default();
        let tasks = DIGESTS_KEPT as u64 + 10;
        let task = Remembered { plan: PlanHash::start(), rest: None, digest: None };
        for number in 0..tasks {
            stream.remember(number, task.clone());
            stream.take(number);
        }
        stream.release(tasks);
        assert_eq!((stream.remembered(9), stream.remembered(10).is_some()), (None, true));
        stream.remember(3, task);
        assert_eq!(stream.remembered(3), None);
    }

    #[test]
    fn behind_a_task_that_is_open_for_long_contents_leave_and_nothing_is_past() {
        let mut stream = Stream::default();
        let task = Remembered { plan: PlanHash::start(), rest: None, digest: None };
        (1..BEHIND_MAX - 1).for_each(|number| stream.take(number));
        assert_eq!((stream.release(0), stream.empty()), (None, Vec::new()));
        stream.take(BEHIND_MAX);
        assert_eq!(stream.empty(), [(1, BEHIND_MAX - 1), (BEHIND_MAX, BEHIND_MAX + 1)]);
        assert_eq!(stream.empty(), []);
        (1..DIGESTS_KEPT as u64 * 2).for_each(|number| stream.remember(number, task.clone()));
        assert!(!stream.is_past(0) && stream.remembered.len() == DIGESTS_KEPT);
    }
}
