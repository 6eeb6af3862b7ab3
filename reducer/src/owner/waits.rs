//! What blocks a job and can be resolved by a user: for its status, and for people.
//!
//! A class without consumers is not listed here, because the status has a field for it.

use shared::protocol::id::{Class, JobId, OpeningId, TaskId};
use shared::protocol::limits;

use super::{Flight, Job, Owner};

impl Job {
    /// All known reasons, as sentences without a subject; `None` if the job waits only for its
    /// consumers' work.
    pub fn waits(&self) -> Option<String> {
        let report = self.ending.unreported().map(|reason| {
            let seconds = limits::REPORT_RETRY.as_secs();
            format!("its report cannot be written: {reason}; it is tried again every {seconds} s")
        });
        let mut all = Vec::new();
        if self.is_open() {
            all.extend([self.taken_away(), self.fails(), self.for_another(), self.refused()].into_iter().flatten());
        }
        all.extend(report);
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn taken_away(&self) -> Option<String> {
        self.flights().values().any(|flight| flight.expired() > 0).then(|| {
            "a policy of the broker takes its tasks out of their queues (rabbitmqctl list_policies), and they are sent \
             again"
                .to_owned()
        })
    }

    /// The text has no counts, so a caller that prints it on each change does not print it for each
    /// task.
    fn fails(&self) -> Option<String> {
        let reason = self.flights().values().find_map(Flight::failed)?;
        Some(format!("tasks of it failed and are tried again, one of them because: {reason}"))
    }

    fn for_another(&self) -> Option<String> {
        self.flights().values().any(Flight::waits_for_another).then(|| {
            "tasks of it could not be done where they were tried, and wait for consumers that have not tried them, \
             which are busy"
                .to_owned()
        })
    }

    pub fn refused(&self) -> Option<String> {
        let class = self.unsent_class()?;
        Some(format!(
            "the broker has not taken tasks for {class} for a while: their queue is full, or the broker is blocked"
        ))
    }
}

impl Owner {
    pub(super) fn unreported(&mut self, id: &JobId, opening: &OpeningId, reason: String) {
        if let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_other(opening)) {
            job.ending.not_reported(reason);
        }
    }

    /// Records that the broker does not accept a task's message for `class`, or, without a class,
    /// that it has accepted it.
    pub(super) fn unsent(&mut self, task: &TaskId, opening: &OpeningId, class: Option<Class>) {
        if let Some(job) = self.jobs.get_mut(&task.job).filter(|job| !job.is_other(opening)) {
            job.note_unsent(task.number, class);
        }
    }
}
