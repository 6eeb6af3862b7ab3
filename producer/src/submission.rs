//! The engine of a submission: opens a job with its owner, publishes the plan, seals it, waits.
//!
//! No I/O, no clock. A lost question is asked again; a plan's message may arrive twice, since its
//! owner takes each number once.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use shared::clock::Moment;
use shared::id::OwnerId;
use shared::job::{JobSpec, JobState, JobStatus};
use shared::limits;
use shared::message::{Opened, Planned, Reply, link};
use shared::notice::{self, Unserved};

/// What a submission is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who is to own the job.
    pub owner: OwnerId,
    /// What it is.
    pub spec: JobSpec,
    /// Whether to stay until the job ends, and not only until its owner has the whole plan.
    pub wait: bool,
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
    /// The broker has the seal.
    Sealed,
    /// Time passes.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Ask the owner to open the job, then tell [`Event::Replied`].
    AskOpen,
    /// Ask the owner how the job stands, then tell [`Event::Replied`].
    AskStatus,
    /// Plan from here on.
    StartPlan {
        /// Tasks that are planned already.
        planned: u64,
        /// Where the last of them said the plan goes on.
        resume: Option<Box<RawValue>>,
    },
    /// Publish a planned task.
    Publish {
        /// The task.
        planned: Box<Planned>,
        /// Its link to the one before it, if the owner knows of links.
        after: Option<String>,
    },
    /// Publish the seal.
    Seal {
        /// How many tasks the plan has.
        tasks: u64,
        /// Its link to the last of them.
        after: Option<String>,
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
    next: u64,
    /// Whether this producer has planned to the end.
    plan_ended: bool,
    unconfirmed: BTreeSet<u64>,
    /// The link of the next task.
    after: Option<String>,
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
            next: 0,
            plan_ended: false,
            unconfirmed: BTreeSet::new(),
            after: None,
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
            Event::Planned(planned) => {
                self.next = planned.number + 1;
                self.unconfirmed.insert(planned.number);
                let next = self.after.as_ref().map(|before| link(before, &planned));
                vec![Action::Publish { planned, after: std::mem::replace(&mut self.after, next) }]
            }
            Event::PlanEnded => {
                self.plan_ended = true;
                self.seal_if_confirmed()
            }
            Event::Confirmed(number) => {
                self.unconfirmed.remove(&number);
                self.seal_if_confirmed()
            }
            Event::Sealed => {
                // Otherwise of a seal from before it began again.
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
            Phase::Opening => vec![self.ask(Action::AskOpen, now)],
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
            Reply::Status(status) if self.is_overtaken(&status) => {
                self.phase = Phase::Over;
                vec![Action::Overtaken]
            }
            // By another producer: whether with the same plan is known when this one's is at its end.
            Reply::Status(status) if status.state == JobState::Finished && self.is_planning() => Vec::new(),
            Reply::Status(status) if status.state == JobState::Finished => self.done(Some(status)),
            // Whether it was to wait or not: what it was to submit is not to be done. The report of
            // what was done by then may still be on its way to a disk.
            Reply::Status(status) if status.state == JobState::Cancelled => {
                self.plan_ended = true;
                self.phase = Phase::Waiting;
                if status.report_sha256.is_some() { self.over(Some(status)) } else { Vec::new() }
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
                let say = self.unserved.check(&self.config.spec, &status, &self.config.broker, now);
                say.into_iter().map(Action::Say).collect()
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

    fn is_planning(&self) -> bool {
        matches!(self.phase, Phase::Planning | Phase::Sealing)
    }

    /// Whether the job's plan is another one than what was planned here: two producers were at it at once, and
    /// between their walks the tree has changed, or is another one.
    fn is_overtaken(&self, status: &JobStatus) -> bool {
        let is_other = |ours: &String| status.plan.as_ref().is_some_and(|plan| plan != ours);
        self.phase == Phase::Waiting && self.plan_ended && self.after.as_ref().is_some_and(is_other)
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
        self.next = opened.planned;
        self.after = opened.after;
        if opened.sealed.is_some_and(|sealed| sealed <= opened.planned) {
            self.phase = Phase::Waiting;
            return if self.config.wait { Vec::new() } else { self.done(None) };
        }
        self.phase = Phase::Planning;
        vec![Action::StartPlan { planned: opened.planned, resume: opened.resume }]
    }

    fn seal_if_confirmed(&mut self) -> Vec<Action> {
        if self.phase != Phase::Planning || !self.plan_ended || !self.unconfirmed.is_empty() {
            return Vec::new();
        }
        self.phase = Phase::Sealing;
        vec![Action::Seal { tasks: self.next, after: self.after.clone() }]
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
