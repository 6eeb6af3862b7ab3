//! What the owner says of the job, or that it says nothing.

use std::time::Duration;

use shared::protocol::job::{JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::Reply;
use shared::protocol::notice;
use shared::system::clock::Moment;

use super::{Action, Phase, Road, Submission};
use crate::client::retrace::Retrace;

impl Submission {
    pub(super) fn replied(&mut self, reply: Option<Reply>, now: Moment) -> Vec<Action> {
        match reply {
            None => self.no_reply(now),
            Some(reply) => {
                (self.said_no_owner, self.silent_since) = (false, None);
                self.answered(reply, now)
            }
        }
    }

    /// Tells the user once that the owner does not answer.
    fn no_reply(&mut self, now: Moment) -> Vec<Action> {
        // The tasks of a derived plan go on without the owner, and its restart is shorter than this.
        let goes_on = self.is_derived() && self.phase != Phase::Opening;
        let patience = if goes_on { limits::NO_CONSUMER_NOTICE } else { Duration::ZERO };
        let since = *self.silent_since.get_or_insert(now);
        if self.said_no_owner || now.saturating_sub(since) < patience {
            return Vec::new();
        }
        self.said_no_owner = true;
        vec![Action::Say(notice::no_owner(&self.config.owner, &self.config.broker))]
    }

    fn answered(&mut self, reply: Reply, now: Moment) -> Vec<Action> {
        match reply {
            Reply::Opened(opened) if self.phase == Phase::Opening => self.opened(opened, now),
            // An answer to a question that was asked before the job was to be opened again.
            Reply::Status(_) if self.phase == Phase::Opening => Vec::new(),
            Reply::Status(status) => self.heard_status(status, now),
            // The owner has lost or replaced its store: begin again.
            Reply::UnknownJob => self.begin_again("the reducer does not know the job any more; submitting it again"),
            Reply::Refused { reason } => {
                self.phase = Phase::Over;
                vec![Action::Refused(reason)]
            }
            _ => Vec::new(),
        }
    }

    fn heard_status(&mut self, status: Box<JobStatus>, now: Moment) -> Vec<Action> {
        match status.state {
            // Another producer opened the job again, or the owner's store was replaced by an older
            // one.
            _ if self.is_begun_anew(&status) => {
                self.begin_again("the job was opened again meanwhile; comparing its plan")
            }
            _ if self.phase == Phase::Counting => self.counted(&status.counts),
            _ if self.is_other(&status) => self.plan_again(),
            // Another producer finished the job. Whether its plan is the same is known when this
            // plan ends.
            JobState::Finished if self.is_planning() && !self.is_derived() => Vec::new(),
            JobState::Finished => self.done(Some(status)),
            // A cancelled job ends the submission even without `wait`. The report may not be
            // written yet: until then there is no `report_sha256`.
            JobState::Cancelled => {
                self.plan_ended = true;
                self.phase = Phase::Waiting;
                if status.report_sha256.is_some() { self.over(Some(status)) } else { self.say_waits(&status, now) }
            }
            _ if self.is_lost(&status, now) => self.send_lost(),
            _ if !self.config.wait => {
                let has_all = self.phase == Phase::Waiting && self.incomplete.is_none();
                if has_all { self.done(None) } else { Vec::new() }
            }
            _ => {
                let unserved = self.unserved.check(&self.config.spec, &status, &self.config.broker, now);
                let mut say: Vec<Action> = unserved.into_iter().map(Action::Say).collect();
                say.extend(self.say_waits(&status, now));
                say
            }
        }
    }

    fn say_waits(&mut self, status: &JobStatus, now: Moment) -> Vec<Action> {
        let text = self.waiting.check(&status.job, status.waits.clone(), now);
        text.into_iter().map(Action::Say).collect()
    }

    /// Whether the job's plan differs from this producer's: another producer's tasks came first,
    /// and the files changed between the two walks.
    fn is_other(&self, status: &JobStatus) -> bool {
        let is_other = |ours: &Retrace| status.plan.as_ref().is_some_and(|plan| plan != ours.hash());
        let has_planned = self.phase == Phase::Waiting && self.plan_ended && !self.is_derived();
        has_planned && self.retrace.as_ref().is_some_and(is_other)
    }

    /// Whether the rest of the plan is lost: the broker confirmed all of it, and the owner received
    /// no more for [`limits::PLAN_SILENCE`]. A queue can be lost with confirmed messages.
    fn is_lost(&mut self, status: &JobStatus, now: Moment) -> bool {
        let planned = status.counts.tasks_planned;
        // The owner of a derived plan knows its tasks, and waits for the plan end alone.
        let is_incomplete = status.state == JobState::Planning || (planned < self.next && !self.is_derived());
        if self.phase != Phase::Waiting || self.config.road == Road::Process || !is_incomplete {
            self.incomplete = None;
            return false;
        }
        match self.incomplete {
            Some((then, since)) if then == planned => now.saturating_sub(since) >= limits::PLAN_SILENCE,
            _ => {
                self.incomplete = Some((planned, now));
                false
            }
        }
    }

    fn send_lost(&mut self) -> Vec<Action> {
        self.incomplete = None;
        let notice = "a part of the plan was lost with the reducer's queue; planning it again";
        match self.retrace {
            // Nothing but the plan end went to the owner.
            Some(_) if self.is_derived() => self.end_plan(),
            // This producer found the plan ended and has sent nothing: its owner's store was replaced
            // by an older one.
            None if self.is_derived() => self.open_again(notice),
            _ => self.begin_again(notice),
        }
    }
}
