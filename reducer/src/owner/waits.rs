//! What keeps a job from going on and can be ended by someone, for its status and for people.
//!
//! That nobody serves a class stands in a status by itself: whoever reads that may know how to start one.

use shared::protocol::id::{Class, JobId, OpeningId, TaskId};
use shared::protocol::limits;

use super::{Flight, Job, Owner};

impl Job {
    /// All that is known of it, without a subject; `None` if the job waits for nothing but its consumers' work.
    pub fn waits(&self) -> Option<String> {
        let report = self.unreported.as_ref().map(|reason| {
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
        self.flights.values().any(|flight| flight.expired > 0).then(|| {
            "a policy of the broker takes its tasks out of their queues (rabbitmqctl list_policies), and they are sent \
             again"
                .to_owned()
        })
    }

    /// No numbers: who says it again when it changes should not say it with each task.
    fn fails(&self) -> Option<String> {
        let reason = self.flights.values().find_map(|flight| flight.failed.as_ref())?;
        Some(format!("tasks of it failed and are tried again, one of them because: {reason}"))
    }

    fn for_another(&self) -> Option<String> {
        self.flights.values().any(Flight::waits_for_another).then(|| {
            "tasks of it could not be done where they were tried, and wait for consumers that have not tried them, \
             which are busy"
                .to_owned()
        })
    }

    pub fn refused(&self) -> Option<String> {
        let (_, class) = self.unsent.first_key_value()?;
        Some(format!("the broker has not taken tasks for {class} for a while: their queue is full, or it is blocked"))
    }
}

impl Owner {
    pub(super) fn unreported(&mut self, id: &JobId, opening: &OpeningId, reason: String) {
        let is_its = |job: &&mut Job| job.opening == *opening && job.finished_at.is_none();
        if let Some(job) = self.jobs.get_mut(id).filter(is_its) {
            job.unreported = Some(reason);
        }
    }

    /// A task waits to be taken by the broker, or, without a class, does so no more.
    pub(super) fn unsent(&mut self, task: &TaskId, opening: &OpeningId, class: Option<Class>) {
        let Some(job) = self.jobs.get_mut(&task.job).filter(|job| job.opening == *opening) else { return };
        match class {
            Some(class) => job.unsent.insert(task.number, class),
            None => job.unsent.remove(&task.number),
        };
    }
}
