//! The cancelled openings that this consumer knows of.

use std::collections::{BTreeMap, VecDeque};

use shared::protocol::id::OpeningId;
use shared::protocol::limits;
use shared::protocol::message::Task;

/// Dropped tasks remembered for each opening: as many as an owner ever has unanswered.
const DROPPED_MAX: usize = limits::WINDOW_MAX;

/// The latest [`limits::CANCELLED_KEPT`] cancelled openings. If a heartbeat names a task of a
/// forgotten one, the owner repeats the cancellation.
///
/// An owner sends no tasks of a cancelled opening, unless its store was replaced by an older copy
/// in which the job still runs. So a dropped task that is sent again, as a later attempt, is
/// wanted.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    /// For each opening, its dropped tasks by number, each with its latest attempt.
    openings: BTreeMap<OpeningId, BTreeMap<u64, u32>>,
    order: VecDeque<OpeningId>,
}

impl Recalled {
    pub(crate) fn add(&mut self, openings: Vec<OpeningId>) {
        for opening in openings {
            if self.openings.insert(opening.clone(), BTreeMap::new()).is_none() {
                self.order.push_back(opening);
            }
            if self.order.len() > limits::CANCELLED_KEPT
                && let Some(oldest) = self.order.pop_front()
            {
                self.openings.remove(&oldest);
            }
        }
    }

    /// Whether the task's opening is cancelled.
    pub(crate) fn has(&self, task: &Task) -> bool {
        self.openings.contains_key(&task.address.opening)
    }

    /// Whether to drop the task, which is then remembered. A later attempt at a dropped task
    /// revives its opening.
    pub(crate) fn drops(&mut self, task: &Task) -> bool {
        let (opening, number, attempt) = (&task.address.opening, task.address.task.number, task.address.attempt);
        let Some(dropped) = self.openings.get_mut(opening) else { return false };
        if dropped.get(&number).is_some_and(|before| attempt > *before) {
            self.openings.remove(opening);
            self.order.retain(|recalled| recalled != opening);
            return false;
        }
        if dropped.len() < DROPPED_MAX {
            let before = dropped.entry(number).or_default();
            *before = attempt.max(*before);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::protocol::id::{Class, PlanHash, TaskId};
    use shared::protocol::message::Address;
    use shared::protocol::payload::Payload;
    use shared::protocol::workload::Workload;

    fn task(opening: &str, attempt: u32) -> Task {
        let task = TaskId { job: "j".parse().expect("an id"), number: 0 };
        let (owner, opening) = ("o".parse().expect("an id"), opening.parse().expect("an id"));
        let address = Address { task, opening, plan: PlanHash::start(), attempt, owner, workload: Workload::Steps };
        Task {
            address,
            class: Class::from_name(b"any"),
            planned_at: None,
            avoid: Vec::new(),
            body: Payload::json("{}"),
        }
    }

    #[test]
    fn two_openings_of_one_job_are_two_and_the_oldest_go() {
        let mut recalled = Recalled::default();
        recalled.add(vec!["first".parse().expect("an id"); 2]);
        assert!(recalled.has(&task("first", 1)) && !recalled.has(&task("second", 1)));
        for number in 0..limits::CANCELLED_KEPT {
            recalled.add(vec![format!("other-{number}").parse().expect("an id")]);
        }
        assert!(!recalled.has(&task("first", 1)) && recalled.has(&task("other-0", 1)));
        assert_eq!(recalled.openings.len(), limits::CANCELLED_KEPT);
    }

    /// The owner's store was restored from before the cancellation.
    #[test]
    fn what_was_dropped_and_is_sent_again_is_wanted() {
        let mut recalled = Recalled::default();
        recalled.add(vec!["first".parse().expect("an id")]);
        assert!(
            recalled.drops(&task("first", 2)) && recalled.drops(&task("first", 2)) && recalled.drops(&task("first", 1))
        );
        assert!(!recalled.drops(&task("first", 3)) && !recalled.has(&task("first", 1)));
        recalled.add(vec!["first".parse().expect("an id")]);
        assert!(recalled.drops(&task("first", 3)), "it was recalled again");
    }
}
