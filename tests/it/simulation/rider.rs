//! A rider: sends the whips of its job itself, then the plan end, and watches to the end. As
//! `producer::rider` does, which has no engine of its own.

use std::time::{Duration, UNIX_EPOCH};

use shared::protocol::id::{JobId, PlanHash, TaskId};
use shared::protocol::job::{JobSpec, JobState};
use shared::protocol::limits;
use shared::protocol::message::{Address, JobRequest, Message, Opened, Place, PlanEnd, Reply, Request, Task};
use shared::protocol::payload::Payload;
use shared::protocol::topology::{self, Topology};
use shared::protocol::workload::Workload;
use shared::protocol::workload::steps::{Whip, class};
use shared::system::clock::Moment;

use super::jobs::Job;
use super::producer::Questions;
use super::role::{Alarm, Do, Input, Role, Stage};

/// A rider's process.
pub(super) struct RiderRole {
    job: JobId,
    questions: Questions,
    opened: Option<Opened>,
    /// The whip to be sent next; after the last of them the plan end.
    next: u64,
    /// What is sent and not confirmed.
    sending: Option<u64>,
    plan_end: bool,
    /// Since when the owner does not know of the plan end.
    incomplete: Option<Moment>,
}

impl RiderRole {
    pub fn new(job: JobId) -> Self {
        Self {
            job,
            questions: Questions::default(),
            opened: None,
            next: 0,
            sending: None,
            plan_end: false,
            incomplete: None,
        }
    }

    fn ask(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(job) = stage.jobs.job(&self.job).cloned() else { return };
        let request = match self.opened {
            None => Request::Open(Box::new(JobRequest::new(job.id.clone(), job.spec.clone()))),
            Some(_) => Request::Status { job: job.id.clone() },
        };
        self.questions.ask(&job, &request, stage, out);
    }

    fn replied(&mut self, reply: Reply, stage: &mut Stage, out: &mut Vec<Do>) {
        match reply {
            Reply::Opened(opened) if self.opened.is_none() => {
                self.next = opened.planned;
                self.plan_end = opened.plan_end.is_some();
                self.opened = Some(opened);
                self.send_next(stage, out);
            }
            // The owner has lost its store, and somebody has opened another job of this name.
            Reply::Status(status) if self.opened.as_ref().is_some_and(|opened| opened.opening != status.opening) => {
                out.push(Do::Die);
            }
            Reply::Status(status) if status.state.is_over() => out.push(Do::Exit),
            Reply::Refused { .. } if stage.oracle.is_cancelled(self.job.as_str()) => out.push(Do::Exit),
            // The plan end was confirmed, and lost with its queue.
            Reply::Status(status) if status.state == JobState::Planning && self.is_plan_end_lost(stage.now) => {
                (self.plan_end, self.incomplete) = (false, None);
                self.next = u64::MAX;
                self.send_next(stage, out);
            }
            // The owner has lost its store: the rider is told to ride again, and does.
            Reply::UnknownJob => out.push(Do::Die),
            Reply::Refused { reason } => stage.oracle.complain(format!("a ride was refused: {reason}")),
            _ => {}
        }
    }

    fn is_plan_end_lost(&mut self, now: Moment) -> bool {
        self.plan_end && now.saturating_sub(*self.incomplete.get_or_insert(now)) >= limits::PLAN_SILENCE
    }

    fn send_next(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(opened) = self.opened.as_ref().filter(|_| !self.plan_end && self.sending.is_none()) else { return };
        let Some(Job { spec: JobSpec::Steps(spec), id, .. }) = stage.jobs.job(&self.job) else { return };
        let (to, message): (_, Message) = if self.next < spec.whips {
            let address = Address {
                task: TaskId { job: id.clone(), number: self.next },
                opening: opened.opening.clone(),
                plan: PlanHash::start(),
                attempt: 1,
                owner: opened.owner.clone(),
                workload: Workload::Steps,
            };
            let body = Payload::of(&Whip { intensity: self.next });
            let key = topology::task_key(Workload::Steps, &class(), &opened.owner);
            (
                (topology::TASKS, key),
                Task { address, class: class(), planned_at: None, avoid: Vec::new(), body }.to_message(UNIX_EPOCH),
            )
        } else {
            let plan_end = PlanEnd { job: id.clone(), tasks: spec.whips };
            let place = Place { opening: opened.opening.clone(), after: PlanHash::start() };
            ((topology::PLANS, topology::plan_key(&opened.owner)), plan_end.to_message(&place, UNIX_EPOCH))
        };
        let token = stage.number();
        self.sending = Some(token);
        out.push(Do::Publish { to, message, token });
    }

    fn confirmed(&mut self, token: u64, stage: &mut Stage, out: &mut Vec<Do>) {
        if self.sending.take_if(|sending| *sending == token).is_none() {
            return;
        }
        let Some(Job { spec: JobSpec::Steps(spec), .. }) = stage.jobs.job(&self.job) else { return };
        self.plan_end = self.next >= spec.whips;
        self.next = self.next.saturating_add(1);
        self.send_next(stage, out);
    }
}

impl Role for RiderRole {
    fn start(&mut self, stage: &mut Stage) -> Vec<Do> {
        let mut out = self.questions.begin(stage);
        let (queue, binding) = topology::tasks(Workload::Steps, &class());
        out.push(Do::Declare(Topology { exchanges: Vec::new(), queues: vec![queue], bindings: vec![binding] }));
        self.ask(stage, &mut out);
        out
    }

    fn step(&mut self, input: Input, stage: &mut Stage) -> Vec<Do> {
        let mut out = Vec::new();
        match input {
            Input::Delivery { tag, message, .. } => {
                out.push(Do::Ack(tag));
                if let Some(reply) = self.questions.hear(&message) {
                    self.replied(reply, stage, &mut out);
                    let wait = limits::STATUS_INTERVAL + stage.millis(0, 1_000);
                    out.push(Do::After(wait.max(Duration::from_millis(250)), Alarm::Tick));
                }
            }
            Input::Alarm(Alarm::Patience(id)) => {
                if self.questions.give_up(&id) {
                    self.ask(stage, &mut out);
                }
            }
            Input::Alarm(Alarm::Tick) => self.ask(stage, &mut out),
            Input::Confirmed(token) => self.confirmed(token, stage, &mut out),
            Input::Alarm(_) | Input::Interrupted { .. } | Input::Looked { .. } => {}
        }
        out
    }
}
