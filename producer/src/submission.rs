//! The engine of a submission: opens a job with its owner, publishes the plan, ends it, waits.
//!
//! No I/O, no clock. A lost question is asked again; a plan's message may arrive twice, since its
//! owner takes each number once.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use shared::protocol::id::{OpeningId, OwnerId};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{Opened, Place, Planned, Reply};
use shared::protocol::notice::{self, Unserved, Waiting};
use shared::system::clock::Moment;

use crate::retrace::{End, Next, Retrace};

/// What a submission is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who is to own the job.
    pub owner: OwnerId,
    /// What it is.
    pub spec: JobSpec,
    /// Whether to stay until the job ends, and not only until its owner has the whole plan.
    pub wait: bool,
    /// Whether a plan that its owner has is made again, to see whether what it is over has changed since.
    pub recheck: bool,
    /// The broker, as notices show it.
    pub broker: String,
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// The owner's reply to a question, or none in time.
    Replied(Option<Reply>),
    /// The plan's next task.
    Planned(Box<Planned>),
    /// The plan has no more tasks.
    PlanEnded,
    /// The broker has a planned task.
    Confirmed(u64),
    /// The broker has the plan end.
    PlanEndConfirmed,
    /// Time passes.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Ask the owner to open the job, then tell [`Event::Replied`].
    AskOpen {
        /// The opening that is to be replaced, if one is.
        instead_of: Option<OpeningId>,
    },
    /// Ask the owner how the job stands, then tell [`Event::Replied`].
    AskStatus,
    /// Make the plan, from its first task.
    StartPlan,
    /// Publish a planned task.
    Publish {
        /// The task.
        planned: Box<Planned>,
        /// Where in the plan it stands.
        place: Place,
    },
    /// Publish the plan end.
    EndPlan {
        /// How many tasks the plan has.
        tasks: u64,
        /// Where it ends.
        place: Place,
    },
    /// Tell people.
    Say(String),
    /// The submission is over: with the finished job's account, or without waiting for it.
    Done(Option<Box<JobStatus>>),
    /// The owner will not have the job.
    Refused(String),
    /// The job has the plan of another producer, whose walk found something else.
    Overtaken,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Planning,
    Sealing,
    Waiting,
    Over,
}

/// The engine.
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
    /// How the plan compares with what the owner has; none before the job is open.
    retrace: Option<Retrace>,
    /// The opening that the job has.
    opening: Option<OpeningId>,
    /// The opening whose plan is not that of today.
    instead_of: Option<OpeningId>,
    /// Whether this producer has planned to the end.
    plan_ended: bool,
    unconfirmed: BTreeSet<u64>,
    /// Of a plan that is sent and that the owner has not got in full: how many tasks it had when it
    /// was asked, and since when.
    incomplete: Option<(u64, Moment)>,
}

impl Submission {
    /// One that has not asked yet: the first tick begins it.
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

    /// Whether it can take the plan's next task now.
    pub fn wants_more(&self) -> bool {
        // A task that is long refused must not leave a gap wider than its owner bridges.
        let under_way = self.unconfirmed.first().map_or(0, |first| self.next - first);
        self.phase == Phase::Planning && !self.plan_ended && under_way < limits::PLAN_WINDOW as u64
    }

    /// Takes one event.
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
                self.seal_if_confirmed()
            }
            Event::PlanEndConfirmed => {
                // Otherwise of a plan end from before it began again.
                if self.phase == Phase::Sealing {
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
            // A plan may be long, and someone may cancel the job meanwhile.
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
            // By another producer, or the owner's store is an older one now.
            Reply::Status(status) if self.is_begun_anew(&status) => {
                *self = Self::new(self.config.clone());
                vec![Action::Say("the job was opened anew meanwhile; comparing its plan".to_owned())]
            }
            Reply::Status(status) if self.is_other(&status) => self.plan_anew(),
            // By another producer: whether with the same plan is known when this one's is at its end.
            Reply::Status(status) if status.state == JobState::Finished && self.is_planning() => Vec::new(),
            Reply::Status(status) if status.state == JobState::Finished => self.done(Some(status)),
            // Whether it was to wait or not: what it was to submit is not to be done. The report of
            // what was done by then may still be on its way to a disk.
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
            // The owner has lost its store, or is another one now: begin again.
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
        matches!(self.phase, Phase::Planning | Phase::Sealing)
    }

    /// Whether the job has another opening than the one that was planned for.
    fn is_begun_anew(&self, status: &JobStatus) -> bool {
        self.opening.as_ref().is_some_and(|opening| *opening != status.opening)
    }

    /// Whether the job's plan is another one than what was planned here: what a producer before this one had sent came
    /// first, and between their walks the tree has changed, or two producers are at it at once.
    fn is_other(&self, status: &JobStatus) -> bool {
        let is_other = |ours: &Retrace| status.plan.as_ref().is_some_and(|plan| plan != ours.hash());
        self.phase == Phase::Waiting && self.plan_ended && self.retrace.as_ref().is_some_and(is_other)
    }

    /// Whether the owner will not get the rest of the plan: all of it is confirmed, and for a long time
    /// no more of it has come. A queue that is lost takes with it what was confirmed.
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
            // The owner keeps its plan: it came from elsewhere.
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
            Next::Differs => self.plan_anew(),
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
            End::New(..) => self.seal_if_confirmed(),
            End::Differs => self.plan_anew(),
        }
    }

    /// What is planned over is not as it was when the owner got the plan.
    fn plan_anew(&mut self) -> Vec<Action> {
        let instead_of = self.opening.take();
        *self = Self { instead_of, ..Self::new(self.config.clone()) };
        Vec::new()
    }

    fn seal_if_confirmed(&mut self) -> Vec<Action> {
        if self.phase != Phase::Planning || !self.plan_ended || !self.unconfirmed.is_empty() {
            return Vec::new();
        }
        let Some(End::New(tasks, place)) = self.retrace.as_ref().map(Retrace::end) else { return Vec::new() };
        self.phase = Phase::Sealing;
        vec![Action::EndPlan { tasks, place }]
    }

    /// What was asked for is done; who was not to wait for the job's end gets no account of it.
    fn done(&mut self, status: Option<Box<JobStatus>>) -> Vec<Action> {
        let wait = self.config.wait;
        self.over(status.filter(|_| wait))
    }

    fn over(&mut self, status: Option<Box<JobStatus>>) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![Action::Done(status)]
    }
}
