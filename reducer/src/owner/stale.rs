//! Stale messages: they name a job, but belong to another opening of it, or to a plan that its
//! store does not have. A store may be older than the messages in the broker, and a message may be
//! repeated much later.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::Address;

use super::{Job, Known, Owner, Step, Tag};

/// Why a message is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    /// It belongs to a job of this name in another store.
    Store,
    /// It belongs to an earlier opening of this job, or to another job of this name.
    Opening,
    /// It is about another task of this number, or about a plan of another tree.
    Plan,
}

impl Stale {
    /// What is wrong with a message of this opening, which is not the job's.
    fn of(job: &Job, opening: &OpeningId) -> Self {
        if job.opening().store() == opening.store() { Self::Opening } else { Self::Store }
    }

    /// The key in the job's account.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "another store",
            Self::Opening => "another opening",
            Self::Plan => "another plan",
        }
    }
}

impl Job {
    /// Why nothing is done for a request that names another opening than the job's; `None` if it
    /// names the job's own.
    pub(super) fn refuses(&self, opening: &OpeningId) -> Option<String> {
        let id = self.id();
        self.is_other(opening).then(|| match Stale::of(self, opening) {
            Stale::Store => format!("job {id} is in another store than the one that was asked; check its status"),
            _ => format!("job {id} was opened again in the meantime; check its status"),
        })
    }
}

impl Owner {
    /// Acks a message of another opening than the job's, and counts it.
    pub(super) fn drop_other(&mut self, id: &JobId, opening: &OpeningId, tag: Option<Tag>, step: &mut Step) {
        if let Some(stale) = self.jobs.get(id).map(|job| Stale::of(job, opening)) {
            self.drop_stale(id, stale, tag, step);
        }
    }

    /// Acks a stale delivery and counts it.
    pub(super) fn drop_stale(&mut self, job: &JobId, stale: Stale, tag: Option<Tag>, step: &mut Step) {
        let why = stale.as_str();
        if let Some(job) = self.jobs.get_mut(job) {
            job.account.dropped(why);
        }
        self.changed.push(job.clone());
        tracing::info!(%job, why, "A stale message of this job is dropped.");
        step.ack(tag);
    }

    /// Whether a message is about a task that this owner has sent. If not, the message is settled
    /// here; `what` names its kind in the reason.
    pub(super) fn is_sent(
        &mut self,
        address: &Address,
        known: Option<&Known>,
        what: &str,
        tag: Option<Tag>,
        step: &mut Step,
    ) -> bool {
        let Address { task, opening, plan, .. } = address;
        let Some(job) = self.jobs.get(&task.job) else {
            step.dead_letter(tag, format!("{what} for task {task} of a job that this owner does not have"));
            return false;
        };
        if job.is_other(opening) {
            self.drop_other(&task.job, opening, tag, step);
            return false;
        }
        if !job.may_be_out(task.number) {
            step.dead_letter(tag, format!("{what} for task {task}, which this owner has not sent"));
            return false;
        }
        if !known.is_some_and(|known| known.is_about(plan)) {
            self.drop_stale(&task.job, Stale::Plan, tag, step);
            return false;
        }
        true
    }
}
