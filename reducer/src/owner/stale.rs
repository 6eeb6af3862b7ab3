//! Messages that name a job and are not about it: of another opening, or of a plan that its store does not have. A
//! store may be older than what the broker holds, and a message may be repeated long after.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::Address;

use super::{Job, Known, Owner, Step, Tag};
use crate::mutant::{self, Mutant};

/// Why a message is not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    /// Its job was another one of this name, or this one before it was begun anew.
    Opening,
    /// Its task is another one of this number, or it was planned from another tree.
    Plan,
}

impl Stale {
    /// Its name in a job's account.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "another opening",
            Self::Plan => "another plan",
        }
    }
}

impl Job {
    /// Whether this is not its opening.
    pub fn is_other(&self, opening: &OpeningId) -> bool {
        *opening != self.opening && !mutant::is(Mutant::AnyOpening)
    }
}

impl Owner {
    /// Lets a delivery go, and counts it.
    pub(super) fn drop_stale(&mut self, job: &JobId, stale: Stale, tag: Option<Tag>, step: &mut Step) {
        let why = stale.as_str();
        if let Some(job) = self.jobs.get_mut(job) {
            *job.counts.dropped.entry(why.to_owned()).or_default() += 1;
        }
        self.changed.push(job.clone());
        tracing::info!(%job, why, "A message is dropped.");
        step.ack(tag);
    }

    /// Whether a message about a task is about one that this owner has sent. If not it is settled here: `what` it is
    /// goes into the reason.
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
        if !known.is_some_and(|known| known.is_about(plan)) && !mutant::is(Mutant::AnyPlan) {
            self.drop_stale(&task.job, Stale::Plan, tag, step);
            return false;
        }
        true
    }
}
