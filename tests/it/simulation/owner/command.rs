//! A command that plans and owns its one job: the submission's engine beside the ledger, wired as
//! `packhorse::run` wires it.

use std::time::Duration;

use producer::client::engine::{Action, Config, Event, Road, Submission};
use reducer::ledger::Arrived;
use reducer::owner::{Event as Told, ReplyTo};
use shared::protocol::id::JobId;
use shared::protocol::job::JobState;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, PlanEnd, Reply};

use super::OwnerRole;
use crate::simulation::jobs::{Job, Plan};
use crate::simulation::role::{Alarm, Do, Role, Stage};

/// What a command has beside its ledger.
pub(super) struct Client {
    job: JobId,
    engine: Submission,
    plan: Option<Plan>,
}

impl Client {
    pub fn new(job: &Job) -> Self {
        let engine = Submission::new(Config {
            owner: job.owner.clone(),
            spec: job.spec.clone(),
            wait: true,
            recheck: false,
            broker: String::new(),
            road: Road::Process,
            can_plan_again: true,
            look: limits::STATUS_INTERVAL,
        });
        Self { job: job.id.clone(), engine, plan: None }
    }
}

impl OwnerRole {
    /// A command that was killed when its cancelled job had ended, and is run again.
    fn refused(&mut self, reason: &str, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(id) = self.setup.command.clone() else { return };
        let Some(status) = self.status(&id, stage.now) else { return };
        if status.state != JobState::Cancelled {
            return stage.oracle.complain(format!("job {id} was refused: {reason}"));
        }
        // If it was killed before its report was written, none will be.
        stage.oracle.finished.insert(id);
        out.push(Do::Exit);
    }

    pub(super) fn replied(&mut self, reply: Reply, stage: &mut Stage, out: &mut Vec<Do>) {
        self.tell_client(Event::Replied(Some(reply)), stage, out);
    }

    pub(super) fn look(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        self.tell_client(Event::Tick, stage, out);
        out.push(Do::After(stage.millis(50, 1_500), Alarm::Look));
    }

    fn tell_client(&mut self, event: Event, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(client) = &mut self.client else { return };
        for action in client.engine.step(event, stage.now) {
            self.perform_client(action, stage, out);
        }
    }

    fn perform_client(&mut self, action: Action, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(client) = &mut self.client else { return };
        let (job, reply) = (client.job.clone(), ReplyTo::Local(0));
        match action {
            Action::AskOpen { instead_of } => {
                let Some(request) = stage.jobs.job(&job).map(Job::request) else { return };
                let request = Box::new(JobRequest { instead_of, ..request });
                self.tell(Arrived::Open { request, opening: stage.opening(), reply }, stage, out);
            }
            Action::AskStatus => self.tell(Told::Status { job, reply }, stage, out),
            Action::StartPlan { from } => {
                client.plan = Some(Plan::begin(stage.now, from));
                out.push(Do::After(Duration::ZERO, Alarm::Plan));
            }
            Action::Publish { planned, place } => {
                let number = planned.number;
                self.tell(Arrived::Planned { job, place, planned, tag: None }, stage, out);
                self.tell_client(Event::Confirmed(number), stage, out);
            }
            Action::EndPlan { tasks, place } => {
                self.tell(Told::PlanEnd { plan_end: PlanEnd { job, tasks }, place, tag: None }, stage, out);
                self.tell_client(Event::PlanEndConfirmed, stage, out);
            }
            // The owner's end of the job ends the command.
            Action::Opened(_) | Action::Settled | Action::Say(_) | Action::Done(_) => {}
            Action::Refused(reason) => self.refused(&reason, stage, out),
            Action::Overtaken | Action::Forgotten => {
                stage.oracle.complain(format!("command {job} has lost its job: {action:?}"));
            }
        }
    }

    pub(super) fn go_on_planning(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(client) = &mut self.client else { return };
        let wants_more = client.engine.wants_more();
        let Some((plan, job)) = client.plan.as_mut().zip(stage.jobs.job(&client.job)) else { return };
        let step = match wants_more.then(|| plan.next_task(job, stage.now)) {
            None => None,
            Some(Some(planned)) => Some(Event::Planned(Box::new(planned))),
            Some(None) => {
                client.plan = None;
                Some(Event::PlanEnded)
            }
        };
        if client.plan.is_some() {
            out.push(Do::After(stage.millis(0, 30), Alarm::Plan));
        }
        if let Some(step) = step {
            self.tell_client(step, stage, out);
        }
    }
}
