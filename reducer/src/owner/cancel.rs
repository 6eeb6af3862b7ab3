//! Cancelling a job: it ends with the outcomes that it has.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::Reply;
use shared::system::clock::Moment;

use super::{Effect, Job, Owner, ReplyTo, Step, Write};

impl Job {
    /// Ends the job as it stands: open tasks get no outcome, and the plan ends with the tasks known
    /// so far.
    fn cancel(&mut self, now: Moment) {
        self.cancelled_at = Some(now);
        self.plan_end = self.plan_end.or(Some(self.planned.end()));
        self.flights.clear();
        self.replays.clear();
        let counts = &mut self.counts;
        counts.tasks_cancelled = std::mem::take(&mut counts.tasks_open);
        counts.items_cancelled = counts.items_planned - counts.items_done - counts.items_failed;
    }
}

impl Owner {
    pub(super) fn is_cancelled(&self, job: &JobId) -> bool {
        self.jobs.get(job).is_some_and(|job| job.cancelled_at.is_some())
    }

    /// Ends this opening of a job, or the current one if `opening` is `None`.
    pub(super) fn cancel(
        &mut self,
        id: &JobId,
        opening: Option<&OpeningId>,
        reply: ReplyTo,
        now: Moment,
        step: &mut Step,
    ) {
        let is_other = |job: &Job| opening.is_some_and(|opening| job.is_other(opening));
        if self.jobs.get(id).is_some_and(is_other) {
            let reason = format!("job {id} was opened again in the meantime; check its status, and cancel it again");
            return step.reply(reply, Reply::Refused { reason });
        }
        // A job with all its outcomes has ended, even if its report is not written yet.
        if let Some(job) = self.jobs.get_mut(id).filter(|job| job.is_open() && !job.is_complete()) {
            job.cancel(now);
            job.early.clear(step);
            let opening = job.opening.clone();
            self.recalls.begin(job, now);
            step.writes.push(Write::Cancelled { job: id.clone() });
            step.effects.push(Effect::Recall { openings: vec![opening] });
            self.changed.push(id.clone());
            self.finish_if_complete(id, step);
        }
        let answer = self.status(id, now).map_or(Reply::UnknownJob, |status| Reply::Status(Box::new(status)));
        step.reply(reply, answer);
    }
}
