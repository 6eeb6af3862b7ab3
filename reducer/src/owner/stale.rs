//! Stale messages: they name a job, but belong to another opening of it, or to a plan that its
//! store does not have. A store may be older than the messages in the broker, and a message may be
//! repeated much later.

use shared::protocol::id::JobId;
use shared::protocol::message::Address;

use super::{Known, Owner, Step, Tag};

/// Why a message is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    /// It belongs to another job of this name, or to an earlier opening of this job.
    Opening,
    /// It is about another task of this number, or about a plan of another tree.
    Plan,
}

impl Stale {
    /// The key in the job's account.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "another opening",
            Self::Plan => "another plan",
        }
    }
}

impl Owner {
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
            self.drop_stale(&task.job, Stale::Opening, tag, step);
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
