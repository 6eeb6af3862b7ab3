//! Jobs whose classes are their own: the owner tells consumers of them, and of updates of their
//! workers. A consumer opens a lane when it hears of a job, and closes it when it has not heard of
//! the job for some heartbeats, or hears that it is over.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::limits::UPDATE_BYTES_MAX;
use shared::protocol::message::{Announcement, Reply, Updates};
use shared::protocol::payload::Payload;
use shared::system::clock::Moment;

use super::{Effect, Job, Owner, ReplyTo, Step, Write};

impl Owner {
    /// Tells consumers of a job, if it is one of those that they must hear of.
    pub(super) fn announce(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let interval = self.config.heartbeat;
        let Some(job) = self.jobs.get_mut(id) else { return };
        let Some((worker, codec)) = job.spec().contract().announced() else { return };
        let announcement = Announcement {
            job: id.clone(),
            opening: job.opening().clone(),
            owner: self.config.owner.clone(),
            workload: job.workload(),
            class: job.spec().classes().remove(0),
            worker: worker.to_owned(),
            codec: codec.clone(),
            version: job.updates.version(),
            heartbeat_millis: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            is_over: job.is_over(),
        };
        job.announced(now);
        step.effects.push(Effect::Announce(Box::new(announcement)));
    }

    /// Tells consumers of the jobs that they were not told of for a heartbeat.
    pub(super) fn announce_due(&mut self, now: Moment, step: &mut Step) {
        let due = |job: &&Job| {
            let is_due = job.announced_at().is_none_or(|at| now.saturating_sub(at) >= self.config.heartbeat);
            job.is_open() && job.is_dispatching() && is_due && job.spec().contract().announced().is_some()
        };
        let due: Vec<_> = self.jobs.values().filter(due).map(|job| job.id().clone()).collect();
        due.iter().for_each(|id| self.announce(id, now, step));
    }

    /// A consumer was not there before: it is told of all open jobs.
    pub(super) fn announce_all(&mut self, now: Moment, step: &mut Step) {
        let open: Vec<_> = self.jobs.values().filter(|job| job.is_open()).map(|job| job.id().clone()).collect();
        open.iter().for_each(|id| self.announce(id, now, step));
    }

    /// The updates that a consumer fetches, if its job is still this opening.
    pub(super) fn updates(&self, id: &JobId, opening: &OpeningId, updates: Option<Updates>) -> Reply {
        let is_it = self.jobs.get(id).is_some_and(|job| !job.is_other(opening));
        updates.filter(|_| is_it).map_or(Reply::UnknownJob, Reply::Updates)
    }

    /// Adds an update of a job's workers. The reply is its version.
    pub(super) fn update(&mut self, id: &JobId, opening: &OpeningId, update: Update, now: Moment, step: &mut Step) {
        let Update { body, replaces, reply } = update;
        let refused = |reason: String| Reply::Refused { reason };
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_other(opening) && job.is_open()) else {
            return step.reply(reply, refused(format!("job {id} has ended")));
        };
        if body.len() > UPDATE_BYTES_MAX {
            let reason = format!("the update has {} bytes, and may have {UPDATE_BYTES_MAX}", body.len());
            return step.reply(reply, refused(reason));
        }
        let Some(version) = job.updates.add(body.len() as u64, replaces) else {
            let reason =
                format!("the updates of job {id} would take more than 512 MiB; send one that replaces those before it");
            return step.reply(reply, refused(reason));
        };
        step.writes.push(Write::Update { job: id.clone(), version, replaces, body });
        step.reply(reply, Reply::Updated { version });
        self.announce(id, now, step);
    }
}

/// An update of a job's workers.
#[derive(Debug)]
pub struct Update {
    pub body: Payload,
    /// Whether it replaces all updates before it.
    pub replaces: bool,
    /// Receives [`Reply::Updated`].
    pub reply: ReplyTo,
}
