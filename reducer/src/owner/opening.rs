//! Opening a job: creating a new one, or continuing one.

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::limits;
use shared::protocol::message::{Ended, JobRequest, Opened, Reply};
use shared::system::clock::Moment;

use super::{Effect, Job, Namesake, Owner, ReplyTo, Step, Write};
use crate::fold;

/// A request for a job, with what the store knows about it.
pub(super) struct Asked {
    pub request: JobRequest,
    /// The id for the opening if the job is new.
    pub opening: OpeningId,
    pub ended_before: Option<Ended>,
    pub namesake: Option<Namesake>,
    /// The sum of the job's label.
    pub sum: i64,
}

impl Owner {
    pub(super) fn open(&mut self, asked: Asked, reply: ReplyTo, now: Moment, step: &mut Step) {
        let Asked { mut request, opening, ended_before, namesake, sum } = asked;
        let id = request.job.clone();
        if let Some(reason) = self.refusal(&request, namesake.as_ref()) {
            return step.reply(reply, Reply::Refused { reason });
        }
        if !self.replace(&request, now, step) {
            request.instead_of = None;
        }
        if !self.jobs.contains_key(&id) {
            step.writes.push(Write::Open { request: Box::new(request.clone()), opening: opening.clone() });
            self.insert(Job::new(request, opening, now), sum);
            self.changed.push(id.clone());
        }
        step.reply(reply, Reply::Opened(self.opened(&id, ended_before)));
        let job = &self.jobs[&id];
        let (answered, opening) = (job.answered().prefix(), job.opening().clone());
        step.effects.push(Effect::Advanced { opening: opening.clone(), answered });
        if job.ending.is_finished() {
            step.effects.push(Effect::Finished { job: id.clone(), opening });
        }
        self.start_dispatching(&id, now, step);
        self.announce(&id, now, step);
        self.fill_for(&id, now, step);
        self.watch(&id, now);
        self.finish_if_complete(&id, step);
    }

    /// Detaches the job's current opening to make room for a new one, and returns whether it has.
    /// The request must name the current opening and come from the same origin. From elsewhere it
    /// may be about another tree, and the job may be in use.
    fn replace(&mut self, request: &JobRequest, now: Moment, step: &mut Step) -> bool {
        let JobRequest { job: id, origin, instead_of: Some(opening), .. } = request else { return false };
        let may = |job: &Job| job.opening() == opening && origin.is_some() && job.origin() == origin.as_ref();
        if !self.jobs.get(id).is_some_and(may) {
            return false;
        }
        let Some(mut job) = self.remove(id) else { return false };
        let early = job.plan.early_mut().map(|early| early.clear());
        step.effects.extend(early.into_iter().flatten().map(Effect::Ack));
        self.recalls.begin(job.opening(), job.spec(), now);
        step.writes.push(Write::Replaced { job: id.clone() });
        step.effects.push(Effect::Recall { openings: vec![opening.clone()] });
        true
    }

    /// The reason to refuse the job, if there is one.
    fn refusal(&self, request: &JobRequest, namesake: Option<&Namesake>) -> Option<String> {
        let JobRequest { job: id, spec, report, .. } = request;
        match self.jobs.get(id) {
            Some(known) if known.spec() != spec => {
                Some(format!("job {id} exists and asks for something else; give the new job another --job ID"))
            }
            Some(known) if known.report() != report.as_ref() => Some(format!(
                "job {id} exists, and its report is called {}; give the new job another --job ID, or the same --report",
                known.report_name()
            )),
            Some(known) if known.ending.is_cancelled() => {
                Some(format!("job {id} was cancelled; to do it after all, give it another --job ID"))
            }
            None if fold::of(spec).derived().is_some_and(|derived| derived.tasks() > limits::DERIVED_TASKS_MAX) => {
                Some(format!(
                    "job {id} asks for more than {} tasks; split it into several jobs",
                    limits::DERIVED_TASKS_MAX
                ))
            }
            None => namesake.map(|Namesake { job: other, is_its_id }| {
                let (name, option) = if *is_its_id { (other, "--report") } else { (id, "--job") };
                format!("job {other} has or may get a report named {name}; give the new job another {option}")
            }),
            _ => None,
        }
    }

    fn opened(&self, id: &JobId, ended_before: Option<Ended>) -> Opened {
        let job = &self.jobs[id];
        Opened {
            job: id.clone(),
            opening: job.opening().clone(),
            owner: self.config.owner.clone(),
            planned: job.plan.resumes_at(job.answered().prefix()),
            after: job.plan.hash().clone(),
            plan_end: job.plan.end(),
            ended: job.ended().or(ended_before),
        }
    }

    /// Starts sending the tasks of a job that this owner left alone. Its tasks that were out when
    /// the last owner ended were lost and not resent with the others.
    fn start_dispatching(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        if let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_dispatching()) {
            job.dispatch(true);
            self.queue_job(id);
            self.resend_out(id, now, step);
        }
    }
}
