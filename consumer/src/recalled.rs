//! Jobs that this consumer was told to do nothing more for.

use std::collections::{BTreeSet, VecDeque};

use shared::id::{JobId, StoreId};
use shared::limits;
use shared::message::Task;

/// The latest of them: an owner says it again when one that is forgotten here is named.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    jobs: BTreeSet<(StoreId, JobId)>,
    order: VecDeque<(StoreId, JobId)>,
}

impl Recalled {
    pub(crate) fn add(&mut self, store: &StoreId, jobs: Vec<JobId>) {
        for job in jobs {
            let job = (store.clone(), job);
            if self.jobs.insert(job.clone()) {
                self.order.push_back(job);
            }
            if self.order.len() > limits::CANCELLED_KEPT
                && let Some(oldest) = self.order.pop_front()
            {
                self.jobs.remove(&oldest);
            }
        }
    }

    pub(crate) fn has(&self, task: &Task) -> bool {
        // Few consumers ever hear of one.
        !self.jobs.is_empty() && self.jobs.contains(&(task.address.store.clone(), task.address.task.job.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use shared::id::{Class, TaskId};
    use shared::message::Address;
    use shared::workload::Workload;

    fn task(store: &str, job: &str) -> Task {
        let task = TaskId { job: job.parse().expect("an id"), number: 0 };
        let (owner, store) = ("o".parse().expect("an id"), store.parse().expect("an id"));
        let address = Address { task, attempt: 1, owner, store, workload: Workload::Steps };
        Task { address, class: Class::from_name(b"any"), body: Bytes::new() }
    }

    #[test]
    fn jobs_of_one_name_in_two_stores_are_two_and_the_oldest_go() {
        let mut recalled = Recalled::default();
        let store: StoreId = "s".parse().expect("an id");
        recalled.add(&store, vec!["j".parse().expect("an id"); 2]);
        assert!(recalled.has(&task("s", "j")) && !recalled.has(&task("t", "j")) && !recalled.has(&task("s", "k")));
        for number in 0..limits::CANCELLED_KEPT {
            recalled.add(&store, vec![format!("other-{number}").parse().expect("an id")]);
        }
        assert!(!recalled.has(&task("s", "j")) && recalled.has(&task("s", "other-0")));
        assert_eq!(recalled.jobs.len(), limits::CANCELLED_KEPT);
    }
}
