//! The owner's engine: a state machine without I/O. It takes one event and returns writes and
//! effects.
//!
//! Invariants:
//! - The first outcome of a task is counted; every later one is a duplicate.
//! - A task whose `Send` was returned and that has no outcome is among its job's flights. So memory
//!   is bounded by the window, not by the plan.
//! - A job ends when its plan is complete and every task has its outcome, or when a user cancels
//!   it. Time alone never ends a job.

mod announce;
mod cancel;
mod consumers;
mod contiguous;
mod dead;
mod dispatch;
mod early;
mod elsewhere;
mod event;
mod expired;
mod explain;
mod failure;
mod forget;
mod found;
mod intake;
mod job;
mod lease;
mod light;
mod memory;
mod needs;
mod opening;
mod outcome;
mod recall;
mod resend;
mod stale;
mod stream;
mod waits;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use shared::protocol::id::{Class, HeldTask, JobId, OpeningId, OwnerId, PlanHash, TaskId};
use shared::protocol::job::{JobSpec, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::Reply;
use shared::system::clock::Moment;
use shared::system::random::Jitter;

use crate::fold;

pub use announce::Update;
use consumers::Consumers;
pub use contiguous::Contiguous;
use dispatch::Dispatch;
pub use event::{Effect, Event, Reached, ReplyTo, Step, Tag};
pub use found::{Cause, Check, Counted, Dead, Dependant, FirstAnswer, Known, Namesake, Standing, TakenOver};
use intake::Arrival;
pub(crate) use job::{Account, Ending, Flight, Job, Plan, Ready, Remembered, Resumed, Stored, Updates};
pub use lease::Holder;
use light::LightQueues;
use memory::{Ended, Sums};
use outcome::Answered;
use recall::Recalls;
pub use write::{Left, Write};

/// An owner's settings, fixed at its start.
#[derive(Debug, Clone)]
pub struct Config {
    pub owner: OwnerId,
    /// Tasks of one queue out at a time, for each slot of the consumers that serve it.
    pub window_per_slot: usize,
    /// Lower bound of the tasks of one queue out at a time.
    pub window_min: usize,
    /// Upper bound of the tasks out at a time, of one queue and of all queues, however many slots
    /// consumers announce; see [`limits::WINDOW_MAX`].
    pub window_max: usize,
    /// Heartbeat interval of a consumer.
    pub heartbeat: Duration,
    /// Failures of one task before it is given up.
    pub attempts_max: u32,
    /// Seed of the jitter of retry delays.
    pub seed: u64,
    /// Whether the owner sends only tasks of jobs that are opened while it runs, and leaves the
    /// other jobs in its store as they are. A command does so: its own workers have only the roots
    /// of its job, so no consumer may be there for the others.
    pub dispatches_on_open: bool,
    /// How long a job is kept after its report was written; `None`: for ever.
    pub keep: Option<Duration>,
    /// Jobs that have ended and stay in memory, at most.
    pub ended_kept: usize,
    /// Whether the queues of an earlier process, and the messages in them, ended with that process.
    pub queues_end: bool,
}

impl Config {
    pub fn new(owner: OwnerId) -> Self {
        Self {
            owner,
            window_per_slot: limits::WINDOW_PER_SLOT,
            window_min: limits::WINDOW_MIN,
            window_max: limits::WINDOW_MAX,
            heartbeat: limits::HEARTBEAT,
            attempts_max: limits::ATTEMPTS_MAX,
            seed: 0,
            dispatches_on_open: false,
            keep: None,
            ended_kept: limits::ENDED_KEPT,
            queues_end: false,
        }
    }
}

#[derive(Debug)]
pub struct Owner {
    config: Config,
    jobs: BTreeMap<JobId, Job>,
    openings: BTreeMap<OpeningId, JobId>,
    recalls: Recalls,
    sums: Sums,
    ended: Ended,
    consumers: Consumers,
    dispatch: Dispatch,
    light_queues: LightQueues,
    jitter: Jitter,
    /// Jobs whose account has changed since the last [`Owner::take_changed`].
    changed: Vec<JobId>,
}

impl Owner {
    pub fn new(config: Config) -> Self {
        let (jitter, consumers) = (Jitter::new(config.seed), Consumers::new(config.heartbeat));
        Self {
            config,
            jobs: BTreeMap::new(),
            openings: BTreeMap::new(),
            recalls: Recalls::default(),
            sums: Sums::default(),
            ended: Ended::default(),
            consumers,
            dispatch: Dispatch::default(),
            light_queues: LightQueues::default(),
            jitter,
            changed: Vec::new(),
        }
    }

    /// The flight of a task that a consumer holds, if the task is one of this owner's.
    fn flight_of(&mut self, held: &HeldTask) -> Option<&mut Flight> {
        let job = self.openings.get(&held.opening)?;
        self.jobs.get_mut(job)?.flight_mut(held.number)
    }

    /// Records what the store has of a task that is out.
    pub(crate) fn learn(&mut self, task: &TaskId, stored: Option<Stored>) {
        if let Some(flight) = self.jobs.get_mut(&task.job).and_then(|job| job.flight_mut(task.number)) {
            flight.learn(stored);
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn spec(&self, job: &JobId) -> Option<&JobSpec> {
        self.jobs.get(job).map(Job::spec)
    }

    /// The specs of the unfinished jobs whose tasks this owner sends.
    pub fn open_specs(&self) -> impl Iterator<Item = &JobSpec> {
        self.jobs.values().filter(|job| job.is_open() && job.is_dispatching()).map(Job::spec)
    }

    pub(crate) fn job(&self, job: &JobId) -> Option<&Job> {
        self.jobs.get(job)
    }

    /// The open jobs that have tasks which need others.
    pub(crate) fn with_needs(&self) -> impl Iterator<Item = (&JobId, &OpeningId)> {
        self.jobs.values().filter(|job| job.is_open() && job.has_needs()).map(|job| (job.id(), job.opening()))
    }

    /// The number of tasks up to the first gap in a job's plan, and the hash of the plan up to
    /// there.
    pub fn plan(&self, job: &JobId) -> Option<(u64, &PlanHash)> {
        self.jobs.get(job).map(|job| (job.plan.prefix(), job.plan.hash()))
    }

    /// Whether a job in memory has this opening.
    pub(crate) fn knows(&self, opening: &OpeningId) -> bool {
        self.openings.contains_key(opening)
    }

    /// Whether the task has its outcome.
    pub fn is_answered(&self, task: &TaskId) -> bool {
        self.jobs.get(&task.job).is_some_and(|job| job.answered().contains(task.number))
    }

    /// Jobs with a complete plan whose earlier opening is still in the store.
    pub(crate) fn sweepable(&self) -> Vec<JobId> {
        let is_it = |job: &&Job| job.follows() && job.plan.end().is_some();
        self.jobs.values().filter(is_it).map(|job| job.id().clone()).collect()
    }

    /// Records that a job's earlier openings are gone from the store.
    pub(crate) fn swept(&mut self, job: &JobId) {
        self.jobs.get_mut(job).into_iter().for_each(Job::swept);
    }

    /// Jobs whose account has changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<JobId> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort();
        changed.dedup();
        changed
    }

    pub fn step(&mut self, event: Event, now: Moment) -> Step {
        let mut step = Step::default();
        match event {
            Event::Open { request, opening, ended_before, namesake, sum, reply } => {
                let asked = opening::Asked { request: *request, opening, ended_before, namesake, sum };
                self.open(asked, reply, now, &mut step);
            }
            Event::Status { job, reply } => {
                let answer = self.status(&job, now).map_or(Reply::UnknownJob, |status| Reply::Status(Box::new(status)));
                step.reply(reply, answer);
            }
            Event::Jobs { latest, reply } => {
                step.reply(reply, Reply::Jobs { jobs: self.overlaid(latest, now) });
            }
            Event::Planned { job, place, planned, kept, tag } => {
                self.planned(&job, Arrival { planned, place, kept, tag }, now, &mut step);
            }
            Event::PlanEnd { plan_end, place, tag } => self.end_plan(plan_end, place, tag, now, &mut step),
            Event::Cancel { job, opening, reply } => self.cancel(&job, opening.as_ref(), reply, now, &mut step),
            Event::ForgetJob { job, opening, reply } => {
                let answer = self.forget_job(&job, opening.as_ref(), now, &mut step);
                if let Some(reply) = reply {
                    step.reply(reply, answer);
                }
            }
            Event::Follow { job, opening, streams } => self.follow(&job, opening, streams, &mut step),
            Event::Taken { job, opening, numbers } => self.taken(&job, &opening, &numbers, &mut step),
            Event::Update { job, opening, update } => self.update(&job, &opening, update, now, &mut step),
            Event::Updates { job, opening, updates, reply } => {
                step.reply(reply, self.updates(&job, &opening, updates));
            }
            Event::Late { tag } => step.ack(tag),
            Event::Explain { job, number, counted, waits, reply } => {
                let text = self.explain(&job, number, counted, waits, now);
                step.reply(reply, text.map_or(Reply::UnknownJob, |text| Reply::Explained { text }));
            }
            Event::Replay { dead, reply } => self.replay(dead, reply, now, &mut step),
            Event::Forget { dead, reply } => self.forget(dead, reply, &mut step),
            Event::Part { part, known, tag } => self.part(part, known, tag, now, &mut step),
            Event::Outcome { outcome, check, known, tag } => {
                self.outcome(Answered { outcome, check, known }, tag, now, &mut step)
            }
            Event::Lease { lease, known, tag } => self.lease(*lease, known, tag, now, &mut step),
            Event::DeadLetter { dead_letter, known, tag } => self.dead_letter(dead_letter, known, tag, now, &mut step),
            Event::Standing { job, standing } => self.standing(&job, standing, now, &mut step),
            Event::Released { job, tasks } => self.released(&job, &tasks, now, &mut step),
            Event::NeedFailed { job, opening, cause, dependants } => {
                self.need_failed(&job, &opening, &cause, dependants, now, &mut step);
            }
            Event::Unsendable { task, opening, known, reason } => {
                self.unsendable(&task, &opening, known, reason, now, &mut step);
            }
            Event::Presence { presence, cancelled } => self.presence(*presence, &cancelled, now, &mut step),
            Event::QueueState { workload, class, ready } => self.queue_state((workload, class), ready, now, &mut step),
            Event::Interrupted => self.resend_all(now, &mut step),
            Event::Reported { job, opening, sha256 } => self.reported(&job, &opening, sha256, now, &mut step),
            Event::Unreported { job, opening, reason } => self.unreported(&job, &opening, reason),
            Event::Unsent { task, opening, class } => self.unsent(&task, &opening, class),
            Event::Tick => self.tick(now, &mut step),
            Event::Stop => {}
        }
        step
    }

    /// The same states, with what this process knows of the jobs in its memory.
    fn overlaid(&self, latest: Vec<JobStatus>, now: Moment) -> Vec<JobStatus> {
        latest.into_iter().map(|status| self.status(&status.job, now).unwrap_or(status)).collect()
    }

    /// The status of a job in memory.
    pub fn status(&self, job: &JobId, now: Moment) -> Option<JobStatus> {
        let job = self.jobs.get(job)?;
        let sum = fold::of(job.spec()).label().map_or(0, |label| self.sums.total(&label));
        Some(self.status_of(job, sum, now))
    }

    /// The status of a job that need not be in memory. `sum` is that of its label.
    pub(crate) fn status_of(&self, job: &Job, sum: i64, now: Moment) -> JobStatus {
        let live = |class: &Class| self.consumers.serving(&(job.workload(), class.clone())).consumers;
        let mut status =
            job.status(&self.config.owner, now, live, fold::of(job.spec()).label().map(|label| (label, sum)));
        if let Some(trouble) = self.consumers.trouble(job.opening()).filter(|_| job.is_open()) {
            let trouble = format!("a consumer has no workers for it: {trouble}");
            status.waits = Some(status.waits.map_or_else(|| trouble.clone(), |waits| format!("{waits}; {trouble}")));
        }
        status
    }

    fn finish_if_complete(&mut self, id: &JobId, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.is_over() && job.ending.asks_report() {
            step.effects.push(Effect::Report { job: id.clone(), opening: job.opening().clone() });
        }
    }

    fn reported(&mut self, id: &JobId, opening: &OpeningId, sha256: String, now: Moment, step: &mut Step) {
        // Ignore reports of another opening, and of a job that is not over.
        let is_it = |job: &&mut Job| !job.is_other(opening) && job.is_over();
        if !self.jobs.get_mut(id).is_some_and(|job| is_it(&job)) {
            return;
        }
        step.effects.push(Effect::Finished { job: id.clone(), opening: opening.clone() });
        self.announce(id, now, step);
        let Some(job) = self.jobs.get_mut(id) else { return };
        // A report may be written again, as by a command that is run again. The job ended earlier.
        if job.ending.reported(&sha256, now) {
            self.ended.add(id);
            step.writes.push(Write::Finished { job: id.clone(), sha256 });
            self.changed.push(id.clone());
        }
    }
}
