//! Tasks that need others: they wait in the store, go out when their needs are answered, and fail
//! when one of these fails.

use shared::protocol::id::{Class, JobId, OpeningId, TaskId};
use shared::protocol::message::Failure;
use shared::system::clock::Moment;
use shared::system::host;

use super::{Cause, Dependant, Known, Owner, Standing, Step};

impl Owner {
    /// A task that needs others was planned, or is open again.
    pub(super) fn standing(&mut self, id: &JobId, standing: Standing, now: Moment, step: &mut Step) {
        let Standing { class, dependant, waits, cause } = standing;
        match cause {
            Some(cause) => self.fail_dependant(id, &cause, dependant, now, step),
            None if waits == 0 => self.released(id, &[(class, dependant.number)], now, step),
            None => {}
        }
    }

    /// These tasks wait for no other any more.
    pub(super) fn released(&mut self, id: &JobId, tasks: &[(Class, u64)], now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.is_open()) else { return };
        for (class, number) in tasks {
            if !job.answered().contains(*number) {
                job.ready.release(class, *number);
            }
        }
        self.queue_job(id);
        self.fill_for(id, now, step);
    }

    /// A task has failed that these need.
    pub(super) fn need_failed(
        &mut self,
        id: &JobId,
        opening: &OpeningId,
        cause: &Cause,
        dependants: Vec<Dependant>,
        now: Moment,
        step: &mut Step,
    ) {
        if self.jobs.get(id).is_some_and(|job| job.is_open() && !job.is_other(opening)) {
            dependants.into_iter().for_each(|dependant| self.fail_dependant(id, cause, dependant, now, step));
        }
    }

    fn fail_dependant(&mut self, id: &JobId, cause: &Cause, dependant: Dependant, now: Moment, step: &mut Step) {
        let task = TaskId { job: id.clone(), number: dependant.number };
        if self.is_answered(&task) {
            return;
        }
        let reason = match cause.is_own {
            true => format!("it needs task {id}.{}, which failed: {}", cause.task, cause.reason),
            false => cause.reason.clone(),
        };
        let failure = Failure { reason, stderr: String::new() };
        let Some(outcome) = self.unsent_failure(&task, dependant.plan, host::name(), failure) else { return };
        self.give_up(dependant.items, Box::new(outcome), Some(cause.task), now, step);
    }

    /// A task that is to be sent cannot be. It fails alone, at once.
    pub(super) fn unsendable(
        &mut self,
        task: &TaskId,
        opening: &OpeningId,
        known: Option<Known>,
        reason: String,
        now: Moment,
        step: &mut Step,
    ) {
        let is_open = self.jobs.get(&task.job).is_some_and(|job| job.is_open() && !job.is_other(opening));
        let Some(known) = known.filter(|_| is_open && !self.is_answered(task)) else { return };
        let items = self.lost(&task.job, &known);
        tracing::warn!(%task, reason, "A task cannot be sent.");
        self.changed.push(task.job.clone());
        let failure = Failure { reason, stderr: String::new() };
        let Some(outcome) = self.unsent_failure(task, known.plan, host::name(), failure) else { return };
        self.give_up(items, Box::new(outcome), None, now, step);
    }
}
