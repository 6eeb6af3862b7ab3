//! Forgetting a job that has ended, with its results.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::Reply;
use shared::system::clock::Moment;

use super::{Owner, Step, Write};
use crate::mutant::{self, Mutant};

impl Owner {
    /// Forgets this opening of a job, or the current one if `opening` is `None`; returns its last
    /// status, or why it stays.
    pub(super) fn forget_job(
        &mut self,
        id: &JobId,
        opening: Option<&OpeningId>,
        now: Moment,
        step: &mut Step,
    ) -> Reply {
        let Some((job, status)) = self.jobs.get(id).zip(self.status(id, now)) else { return Reply::UnknownJob };
        let refused = |reason: &str| Reply::Refused { reason: format!("job {id} {reason}") };
        if let Some(reason) = opening.and_then(|opening| job.refuses(opening)) {
            return Reply::Refused { reason };
        }
        if !job.ending.is_finished() && !mutant::is(Mutant::ForgetOpen) {
            return refused("has not ended, or its report is not written yet; packhorse cancel ends it");
        }
        step.writes.push(Write::JobForgotten { opening: job.opening().clone() });
        self.remove(id);
        Reply::Status(Box::new(status))
    }
}
