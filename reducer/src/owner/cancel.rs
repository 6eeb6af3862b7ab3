//! Cancelling a job: it ends with the outcomes that it has.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::Reply;
use shared::system::clock::Moment;

use super::{Effect, Owner, ReplyTo, Step, Write};

impl Owner {
    pub(super) fn is_cancelled(&self, job: &JobId) -> bool {
        self.jobs.get(job).is_some_and(|job| job.ending.is_cancelled())
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
        if let Some(reason) = self.jobs.get(id).zip(opening).and_then(|(job, opening)| job.refuses(opening)) {
            return step.reply(reply, Reply::Refused { reason });
        }
        // A job with all its outcomes has ended, even if its report is not written yet.
        if self.jobs.get(id).is_some_and(|job| job.is_open() && !job.is_complete()) {
            self.end_as_it_stands(id, now, step);
        }
        let answer = self.status(id, now).map_or(Reply::UnknownJob, |status| Reply::Status(Box::new(status)));
        step.reply(reply, answer);
    }

    fn end_as_it_stands(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let Some(mut job) = self.jobs.remove(id) else { return };
        let flights = job.cancel(now);
        self.land_all(&job, flights.into_values());
        let early = job.plan.early_mut().map(|early| early.clear());
        step.effects.extend(early.into_iter().flatten().map(Effect::Ack));
        self.recalls.begin(job.opening(), job.spec(), now);
        step.writes.push(Write::Cancelled { job: id.clone() });
        step.effects.push(Effect::Recall { openings: vec![job.opening().clone()] });
        self.changed.push(id.clone());
        self.jobs.insert(id.clone(), job);
        self.announce(id, now, step);
        // Room in the windows is for other jobs now.
        self.fill_all(now, step);
        self.finish_if_complete(id, step);
    }
}
