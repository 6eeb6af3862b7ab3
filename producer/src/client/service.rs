//! Submits a job: drives the engine, the source of the plan's tasks and the link to the owner.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use shared::protocol::id::OwnerId;
use shared::protocol::job::JobStatus;
use shared::protocol::message::{JobRequest, Opened, Reply, Request};
use shared::protocol::notice::Notify;
use shared::system::clock::Clock;
use shared::system::shutdown::Shutdown;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::engine::{Action, Config, Event, Submission};
use super::error::ProducerError;
use super::link::{Link, Part};
use super::source::Source;
use crate::planner::{BrokenOff, Step};

/// Interval of the engine's ticks, so the accuracy of its waits.
const TICK: Duration = Duration::from_millis(25);

pub struct ClientConfig {
    pub request: JobRequest,
    /// The owner to ask.
    pub owner: OwnerId,
    /// Whether to wait until the job ends.
    pub wait: bool,
    /// Whether to plan again what its owner has: see [`Config::recheck`].
    pub recheck: bool,
    /// Time between two status requests.
    pub look: Duration,
    /// The broker's address as notices show it.
    pub broker: String,
    pub notify: Notify,
    /// Called with the job's status while it runs.
    pub progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
}

/// A submission of one job. Call [`Client::open`], then [`Client::settle`] if something depends on
/// it, then [`Client::finish`]. Dropping one of these futures, as `select!` does, loses nothing.
pub struct Client<L, S> {
    engine: Submission,
    link: L,
    source: S,
    /// Whether the source has more tasks of the plan that was begun.
    has_more: bool,
    request: JobRequest,
    owner: OwnerId,
    opened: Option<Opened>,
    notify: Notify,
    progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
    clock: Clock,
    tick: Interval,
    shutdown: Shutdown,
    /// What the engine wants, and what is not done yet.
    actions: VecDeque<Action>,
}

/// How far a submission has come.
enum Reached {
    Opened,
    Settled,
    Done(Option<Box<JobStatus>>),
}

impl<L: Link, S: Source> Client<L, S> {
    /// Call it in a runtime.
    pub fn new(config: ClientConfig, link: L, source: S, shutdown: Shutdown) -> Self {
        let engine = Submission::new(Config {
            owner: config.owner.clone(),
            spec: config.request.spec.clone(),
            wait: config.wait,
            recheck: config.recheck,
            broker: config.broker,
            road: link.road(),
            can_plan_again: source.can_begin_again(),
            look: config.look,
        });
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            engine,
            link,
            source,
            has_more: false,
            request: config.request,
            owner: config.owner,
            opened: None,
            notify: config.notify,
            progress: config.progress,
            clock: Clock::start(),
            tick,
            shutdown,
            actions: VecDeque::new(),
        }
    }

    /// Waits until the owner has committed the job. The job's id may differ from the request's.
    pub async fn open(&mut self) -> Result<Opened, ProducerError> {
        loop {
            if let Some(opened) = &self.opened {
                return Ok(opened.clone());
            }
            self.go_on().await?;
        }
    }

    /// Waits until the tasks that the owner has are known to hold: the report of the opening may
    /// begin. For a link within one process.
    pub async fn settle(&mut self) -> Result<Opened, ProducerError> {
        loop {
            match self.go_on().await? {
                Reached::Opened => {}
                Reached::Settled => return self.open().await,
                // It is over, and whoever waits for its end hears so.
                Reached::Done(status) => {
                    self.actions.push_front(Action::Done(status));
                    return self.open().await;
                }
            }
        }
    }

    /// Submits the whole plan and, if the configuration says so, waits for the job's end. Otherwise
    /// returns `None` once the owner has the plan, or the status if the job was cancelled.
    pub async fn finish(&mut self) -> Result<Option<JobStatus>, ProducerError> {
        loop {
            if let Reached::Done(status) = self.go_on().await? {
                return Ok(status.map(|status| *status));
            }
        }
    }

    async fn go_on(&mut self) -> Result<Reached, ProducerError> {
        loop {
            while let Some(action) = self.actions.pop_front() {
                if let Some(reached) = self.perform(action)? {
                    return Ok(reached);
                }
            }
            let event = self.event().await?;
            self.actions.extend(self.engine.step(event, self.clock.now()));
        }
    }

    async fn event(&mut self) -> Result<Event, ProducerError> {
        let wants_more = self.has_more && self.engine.wants_more();
        let event = tokio::select! {
            biased;
            () = self.shutdown.asked() => return Err(ProducerError::Stopped(self.request.job.clone())),
            heard = self.link.heard() => heard?,
            _ = self.tick.tick() => Event::Tick,
            step = self.source.next(), if wants_more => self.planned(step)?,
        };
        if let Event::Replied(Some(Reply::Status(status))) = &event
            && self.engine.is_current(status)
        {
            (self.progress)(status);
        }
        Ok(event)
    }

    fn planned(&mut self, step: Result<Step, BrokenOff>) -> Result<Event, ProducerError> {
        Ok(match step? {
            Step::Task(planned) => Event::Planned(planned),
            Step::End => {
                self.has_more = false;
                Event::PlanEnded
            }
        })
    }

    fn perform(&mut self, action: Action) -> Result<Option<Reached>, ProducerError> {
        let job = &self.request.job;
        match action {
            Action::AskOpen { instead_of } => {
                let request = JobRequest { instead_of, ..self.request.clone() };
                self.link.ask(Request::Open(Box::new(request)));
            }
            Action::AskStatus => self.link.ask(Request::Status { job: job.clone() }),
            Action::Opened(opened) => {
                // The owner may continue the job under another id.
                self.request.job = opened.job.clone();
                self.opened = Some(*opened);
                return Ok(Some(Reached::Opened));
            }
            Action::StartPlan { from } => {
                self.link.begin_plan();
                self.source.begin(from)?;
                self.has_more = true;
            }
            Action::Settled => return Ok(Some(Reached::Settled)),
            Action::Publish { planned, place } => self.link.hand_over(job, Part::Task(planned), place),
            Action::EndPlan { tasks, place } => self.link.hand_over(job, Part::End(tasks), place),
            Action::Say(text) => (self.notify)(text),
            Action::Done(status) => return Ok(Some(Reached::Done(status))),
            Action::Refused(reason) => return Err(ProducerError::Refused(reason)),
            Action::Overtaken => return Err(ProducerError::Overtaken(job.clone())),
            Action::Forgotten => {
                return Err(ProducerError::Forgotten { owner: self.owner.clone(), job: job.clone() });
            }
        }
        Ok(None)
    }
}
