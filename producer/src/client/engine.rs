//! The engine of a submission: opens a job with its owner, publishes the plan, ends it, waits.
//!
//! No I/O, no clock. A lost request is repeated. A plan's message may arrive twice, since the owner
//! takes each number once.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use shared::protocol::id::{OpeningId, OwnerId};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{Opened, Place, Planned, Reply};
use shared::protocol::notice::{self, Unserved, Waiting};
use shared::system::clock::Moment;

use crate::client::retrace::{End, Next, Retrace};

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
}

#[derive(Debug)]
pub enum Event {
    /// The owner's reply to a request; `None` after a timeout.
    Replied(Option<Reply>),
    /// The plan's next task.
    Planned(Box<Planned>),
    /// The plan has no more tasks.
    PlanEnded,
    /// The broker confirmed the task of this number.
    Confirmed(u64),
    /// The broker confirmed the plan end.
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
    /// Make the plan, from its first task.
    StartPlan,
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
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Opening,
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
    unserved: Unserved,
    waiting: Waiting,
    next: u64,
    /// Compares the plan with the owner's part of it; `None` before the job is open.
    retrace: Option<Retrace>,
    /// The job's current opening.
    opening: Option<OpeningId>,
    /// The opening to replace, since its plan differs from the present one.
    instead_of: Option<OpeningId>,
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
            config,
            phase: Phase::Opening,
            asking: false,
            asked_at: Moment::ZERO,
            said_no_owner: false,
            unserved: Unserved::default(),
            waiting: Waiting::default(),
            next: 0,
            retrace: None,
            opening: None,
            instead_of: None,
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
        self.phase == Phase::Planning && !self.plan_ended && under_way < limits::PLAN_WINDOW as u64
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
        let due = self.asked_at + limits::STATUS_INTERVAL;
        match self.phase {
            Phase::Opening => vec![self.ask(Action::AskOpen { instead_of: self.instead_of.clone() }, now)],
            // Planning may take long, and the job may be cancelled meanwhile.
            _ if now >= due => vec![self.ask(Action::AskStatus, now)],
            _ => Vec::new(),
        }
    }

    fn ask(&mut self, action: Action, now: Moment) -> Action {
        self.asking = true;
        self.asked_at = now;
        action
    }

    fn replied(&mut self, reply: Option<Reply>, now: Moment) -> Vec<Action> {
        match reply {
            None if self.said_no_owner => Vec::new(),
            None => {
                self.said_no_owner = true;
                vec![Action::Say(notice::no_owner(&self.config.owner, &self.config.broker))]
            }
            Some(reply) => {
                self.said_no_owner = false;
                self.answered(reply, now)
            }
        }
    }

    fn answered(&mut self, reply: Reply, now: Moment) -> Vec<Action> {
        match reply {
            Reply::Opened(opened) if self.phase == Phase::Opening => self.opened(opened),
            // Another producer opened the job again, or the owner's store was replaced by an older
            // one.
            Reply::Status(status) if self.is_begun_anew(&status) => {
                *self = Self::new(self.config.clone());
                vec![Action::Say("the job was opened again meanwhile; comparing its plan".to_owned())]
            }
            Reply::Status(status) if self.is_other(&status) => self.plan_again(),
            // Another producer finished the job. Whether its plan is the same is known when this
            // plan ends.
            Reply::Status(status) if status.state == JobState::Finished && self.is_planning() => Vec::new(),
            Reply::Status(status) if status.state == JobState::Finished => self.done(Some(status)),
            // A cancelled job ends the submission even without `wait`. The report may not be
            // written yet: until then there is no `report_sha256`.
            Reply::Status(status) if status.state == JobState::Cancelled => {
                self.plan_ended = true;
                self.phase = Phase::Waiting;
                if status.report_sha256.is_some() { self.over(Some(status)) } else { self.say_waits(&status, now) }
            }
            Reply::Status(status) if self.is_lost(&status, now) => {
                *self = Self::new(self.config.clone());
                vec![Action::Say("a part of the plan was lost with the reducer's queue; planning it again".to_owned())]
            }
            Reply::Status(_) if !self.config.wait => {
                if self.phase == Phase::Waiting && self.incomplete.is_none() {
                    self.done(None)
                } else {
                    Vec::new()
                }
            }
            Reply::Status(status) => {
                let unserved = self.unserved.check(&self.config.spec, &status, &self.config.broker, now);
                let mut say: Vec<Action> = unserved.into_iter().map(Action::Say).collect();
                say.extend(self.say_waits(&status, now));
                say
            }
            // The owner has lost or replaced its store: begin again.
            Reply::UnknownJob => {
                *self = Self::new(self.config.clone());
                vec![Action::Say("the reducer does not know the job any more; submitting it again".to_owned())]
            }
            Reply::Refused { reason } => {
                self.phase = Phase::Over;
                vec![Action::Refused(reason)]
            }
            _ => Vec::new(),
        }
    }

    fn say_waits(&mut self, status: &JobStatus, now: Moment) -> Vec<Action> {
        let text = self.waiting.check(&status.job, status.waits.clone(), now);
        text.into_iter().map(Action::Say).collect()
    }

    fn is_planning(&self) -> bool {
        matches!(self.phase, Phase::Planning | Phase::Ending)
    }

    /// Whether the job has another opening than the one that this producer plans for.
    fn is_begun_anew(&self, status: &JobStatus) -> bool {
        self.opening.as_ref().is_some_and(|opening| *opening != status.opening)
    }

    /// Whether the job's plan differs from this producer's: another producer's tasks came first,
    /// and the files changed between the two walks.
    fn is_other(&self, status: &JobStatus) -> bool {
        let is_other = |ours: &Retrace| status.plan.as_ref().is_some_and(|plan| plan != ours.hash());
        self.phase == Phase::Waiting && self.plan_ended && self.retrace.as_ref().is_some_and(is_other)
    }

    /// Whether the rest of the plan is lost: the broker confirmed all of it, and the owner received
    /// no more for [`limits::PLAN_SILENCE`]. A queue can be lost with confirmed messages.
    fn is_lost(&mut self, status: &JobStatus, now: Moment) -> bool {
        let planned = status.counts.tasks_planned;
        let is_incomplete = status.state == JobState::Planning || planned < self.next;
        if self.phase != Phase::Waiting || !is_incomplete {
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

    fn opened(&mut self, opened: Opened) -> Vec<Action> {
        let mut actions = Vec::new();
        match self.instead_of.take() {
            // The owner kept the old opening: its plan came from another producer.
            Some(before) if before == opened.opening => {
                self.phase = Phase::Over;
                return vec![Action::Overtaken];
            }
            Some(_) => actions.push(Action::Say(notice::changed(&opened.job))),
            None => {}
        }
        self.opening = Some(opened.opening.clone());
        if opened.has_ended() || (opened.has_whole_plan() && !self.config.recheck) {
            self.phase = Phase::Waiting;
            actions.extend(if self.config.wait { Vec::new() } else { self.done(None) });
            return actions;
        }
        self.next = 0;
        self.retrace = Some(Retrace::new(&opened));
        self.phase = Phase::Planning;
        actions.push(Action::StartPlan);
        actions
    }

    fn planned(&mut self, planned: Box<Planned>) -> Vec<Action> {
        let Some(retrace) = self.retrace.as_mut().filter(|_| self.phase == Phase::Planning) else { return Vec::new() };
        self.next = planned.number + 1;
        match retrace.take(&planned) {
            Next::Known => Vec::new(),
            Next::New(place) => {
                self.unconfirmed.insert(planned.number);
                vec![Action::Publish { planned, place }]
            }
            Next::Differs => self.plan_again(),
        }
    }

    fn plan_ended(&mut self) -> Vec<Action> {
        let Some(retrace) = self.retrace.as_ref().filter(|_| self.phase == Phase::Planning) else { return Vec::new() };
        self.plan_ended = true;
        match retrace.end() {
            End::Known => {
                self.phase = Phase::Waiting;
                if self.config.wait { Vec::new() } else { self.done(None) }
            }
            End::New(..) => self.end_plan_if_confirmed(),
            End::Differs => self.plan_again(),
        }
    }

    /// Asks for a new opening with a new plan: the files have changed since the owner got its plan.
    fn plan_again(&mut self) -> Vec<Action> {
        let instead_of = self.opening.take();
        *self = Self { instead_of, ..Self::new(self.config.clone()) };
        Vec::new()
    }

    fn end_plan_if_confirmed(&mut self) -> Vec<Action> {
        if self.phase != Phase::Planning || !self.plan_ended || !self.unconfirmed.is_empty() {
            return Vec::new();
        }
        let Some(End::New(tasks, place)) = self.retrace.as_ref().map(Retrace::end) else { return Vec::new() };
        self.phase = Phase::Ending;
        vec![Action::EndPlan { tasks, place }]
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
