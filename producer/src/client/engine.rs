//! The engine of a submission: opens a job with its owner, hands over the plan, ends it, waits.
//!
//! No I/O, no clock. A lost request is repeated. A plan's message may arrive twice, since the owner
//! takes each number once.
//!
//! # Layout
//! - `planning`: the plan, compared and handed over
//! - `replies`: what the owner says of the job

mod planning;
mod replies;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use shared::protocol::id::{OpeningId, OwnerId};
use shared::protocol::job::{JobSpec, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{Opened, Place, Planned, Reply};
use shared::protocol::notice::{Unserved, Waiting};
use shared::system::clock::Moment;

use crate::client::retrace::Retrace;

/// Interval of status requests once a derived plan is sent, since the end is near.
const LAST_LOOKS: Duration = Duration::from_millis(50);

/// How a plan gets to those who do its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// The owner gets each task over a broker, which may lose it after its confirm.
    Broker,
    /// The owner is in this process, so it gets each task. This process also writes the report,
    /// which begins when it is settled whether the tasks that the owner has still hold. Items that
    /// failed, or whose file had changed when it was read, are tried again: only here does the
    /// owner know of changed files.
    Process,
    /// The plan follows from the job's spec. Its producer sends the tasks straight to their queue,
    /// one at a time, and the owner gets the plan end alone.
    Queue,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub owner: OwnerId,
    pub spec: JobSpec,
    /// Whether to wait until the job ends, and not only until its owner has the whole plan.
    pub wait: bool,
    /// Whether to plan again what the owner already has, to see whether the files have changed.
    pub recheck: bool,
    /// The broker's address as notices show it.
    pub broker: String,
    pub road: Road,
    /// Whether the plan can be made again from the start, for an owner that has lost it.
    pub can_plan_again: bool,
    /// Time between two status requests.
    pub look: Duration,
}

#[derive(Debug)]
pub enum Event {
    /// The owner's reply to a request; `None` after a timeout.
    Replied(Option<Reply>),
    /// The plan's next task.
    Planned(Box<Planned>),
    /// The plan has no more tasks.
    PlanEnded,
    /// The owner or the broker has the task of this number.
    Confirmed(u64),
    /// The owner or the broker has the plan end.
    PlanEndConfirmed,
    /// Time passes.
    Tick,
}

#[derive(Debug)]
pub enum Action {
    /// Ask the owner to open the job, then report [`Event::Replied`].
    AskOpen {
        /// The opening that the new one replaces, if any.
        instead_of: Option<OpeningId>,
    },
    /// Ask the owner for the job's status, then report [`Event::Replied`].
    AskStatus,
    /// The owner has opened the job. Comes once for each opening.
    Opened(Box<Opened>),
    /// Make the plan.
    StartPlan {
        /// The number of its first task: 0, unless the plan is derived.
        from: u64,
    },
    /// The tasks that the owner has still hold, so the report may begin. Comes for [`Road::Process`]
    /// alone.
    Settled,
    /// Publish a planned task, then report [`Event::Confirmed`].
    Publish { planned: Box<Planned>, place: Place },
    /// Publish the plan end, then report [`Event::PlanEndConfirmed`].
    EndPlan {
        /// Number of tasks in the plan.
        tasks: u64,
        place: Place,
    },
    /// Show this notice to the user.
    Say(String),
    /// The submission is over. With the job's status if it was waited for, or cancelled.
    Done(Option<Box<JobStatus>>),
    /// The owner refused the job, with this reason.
    Refused(String),
    /// The job has the plan of another producer, which found different files.
    Overtaken,
    /// The owner does not have the job's plan any more, and it cannot be made again.
    Forgotten,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    /// Asking how many items failed or changed, before the plan is compared.
    Counting,
    Planning,
    Ending,
    Waiting,
    Over,
}

#[derive(Debug)]
pub struct Submission {
    config: Config,
    phase: Phase,
    asking: bool,
    asked_at: Moment,
    said_no_owner: bool,
    /// Since when no request was answered.
    silent_since: Option<Moment>,
    unserved: Unserved,
    waiting: Waiting,
    next: u64,
    /// Compares the plan with the owner's part of it; `None` before the job is open.
    retrace: Option<Retrace>,
    /// The job's current opening.
    opening: Option<OpeningId>,
    /// The opening to replace, since its plan differs from the present one.
    instead_of: Option<OpeningId>,
    /// Whether the tasks that the owner has are known to hold, or the report does not depend on it.
    is_settled: bool,
    /// Items that failed, in planning or later, or whose file differed from the planned one when it
    /// was read.
    unsettled: u64,
    /// Those of them that failed in planning, and that this plan finds again.
    unlisted: u64,
    /// Whether this producer has planned to the end.
    plan_ended: bool,
    /// Numbers of the tasks that were published and not yet confirmed.
    unconfirmed: BTreeSet<u64>,
    /// Set while the plan is sent in full but the owner lacks a part of it: the number of tasks
    /// that the owner has, and since when that number has not changed.
    incomplete: Option<(u64, Moment)>,
}

impl Submission {
    /// The first [`Event::Tick`] asks the owner to open the job.
    pub fn new(config: Config) -> Self {
        Self {
            is_settled: config.road != Road::Process,
            config,
            phase: Phase::Opening,
            asking: false,
            asked_at: Moment::ZERO,
            said_no_owner: false,
            silent_since: None,
            unserved: Unserved::default(),
            waiting: Waiting::default(),
            next: 0,
            retrace: None,
            opening: None,
            instead_of: None,
            unsettled: 0,
            unlisted: 0,
            plan_ended: false,
            unconfirmed: BTreeSet::new(),
            incomplete: None,
        }
    }

    /// Whether the submission can take the plan's next task now.
    pub fn wants_more(&self) -> bool {
        // A task that the broker keeps refusing must not open a gap in the numbers that is wider
        // than the owner can buffer.
        let under_way = self.unconfirmed.first().map_or(0, |first| self.next - first);
        let window = if self.is_derived() { 1 } else { limits::PLAN_WINDOW as u64 };
        self.phase == Phase::Planning && !self.plan_ended && under_way < window
    }

    /// Whether the status shows how far the submission's job is: not that of another opening, nor
    /// one from before the comparison.
    pub fn is_current(&self, status: &JobStatus) -> bool {
        self.is_settled && !self.is_begun_anew(status)
    }

    pub fn step(&mut self, event: Event, now: Moment) -> Vec<Action> {
        match event {
            Event::Replied(reply) => {
                self.asking = false;
                self.replied(reply, now)
            }
            Event::Planned(planned) => self.planned(planned),
            Event::PlanEnded => self.plan_ended(),
            Event::Confirmed(number) => {
                self.unconfirmed.remove(&number);
                self.end_plan_if_confirmed()
            }
            Event::PlanEndConfirmed => {
                // In another phase the confirm belongs to the plan end of an earlier attempt.
                if self.phase == Phase::Ending {
                    self.phase = Phase::Waiting;
                }
                Vec::new()
            }
            Event::Tick => self.tick(now),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Action> {
        if self.asking || self.phase == Phase::Over {
            return Vec::new();
        }
        let look = if self.is_derived() && self.phase == Phase::Waiting { LAST_LOOKS } else { self.config.look };
        match self.phase {
            Phase::Opening => vec![self.ask(Action::AskOpen { instead_of: self.instead_of.clone() }, now)],
            Phase::Counting => vec![self.ask(Action::AskStatus, now)],
            // Planning may take long, and the job may be cancelled meanwhile.
            _ if self.is_settled && now >= self.asked_at + look => vec![self.ask(Action::AskStatus, now)],
            _ => Vec::new(),
        }
    }

    fn ask(&mut self, action: Action, now: Moment) -> Action {
        self.asking = true;
        self.asked_at = now;
        action
    }

    fn is_derived(&self) -> bool {
        self.config.road == Road::Queue
    }

    fn is_planning(&self) -> bool {
        matches!(self.phase, Phase::Planning | Phase::Ending)
    }

    /// Whether the job has another opening than the one that this producer plans for.
    fn is_begun_anew(&self, status: &JobStatus) -> bool {
        self.opening.as_ref().is_some_and(|opening| *opening != status.opening)
    }

    /// Begins from the start, unless the plan cannot be made again: then the submission is over.
    fn begin_again(&mut self, notice: &str) -> Vec<Action> {
        if !self.config.can_plan_again {
            return self.forgotten();
        }
        self.open_again(notice)
    }

    fn open_again(&mut self, notice: &str) -> Vec<Action> {
        *self = Self::new(self.config.clone());
        vec![Action::Say(notice.to_owned())]
    }

    /// Asks for a new opening with a new plan: the files have changed since the owner got its plan.
    fn plan_again(&mut self) -> Vec<Action> {
        if !self.config.can_plan_again {
            return self.forgotten();
        }
        let instead_of = self.opening.take();
        *self = Self { instead_of, ..Self::new(self.config.clone()) };
        Vec::new()
    }

    fn forgotten(&mut self) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![Action::Forgotten]
    }

    /// Ends the submission; without `wait` it returns no status.
    fn done(&mut self, status: Option<Box<JobStatus>>) -> Vec<Action> {
        let wait = self.config.wait;
        self.over(status.filter(|_| wait))
    }

    fn over(&mut self, status: Option<Box<JobStatus>>) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![Action::Done(status)]
    }
}
