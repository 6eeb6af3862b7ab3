//! Opening a job: creating a new one, or continuing one.

use shared::protocol::id::{JobId, OpeningId, ReportName};
use shared::protocol::limits;
use shared::protocol::message::{Ended, JobRequest, Opened, Reply};
use shared::system::clock::Moment;

use super::{Effect, Job, Owner, ReplyTo, Step, Write};
use crate::fold;

impl Owner {
    /// `opening` is used only if the job is new.
    pub(super) fn open(
        &mut self,
        mut request: JobRequest,
        opening: OpeningId,
        reply: ReplyTo,
        now: Moment,
        step: &mut Step,
    ) {
        if let Some(unended) = self.unended(&request) {
            request.job = unended;
        }
        let id = request.job.clone();
        if let Some(reason) = self.refusal(&request) {
            return step.reply(reply, Reply::Refused { reason });
        }
        if !self.replace(&request, now, step) {
            request.instead_of = None;
        }
        if !self.jobs.contains_key(&id) {
            step.writes.push(Write::Open { request: Box::new(request.clone()), opening: opening.clone() });
            self.insert(Job::new(request, opening, now));
            self.changed.push(id.clone());
        }
        step.reply(reply, Reply::Opened(self.opened(&id)));
        let job = &self.jobs[&id];
        let (answered, opening) = (job.answered().prefix(), job.opening().clone());
        step.effects.push(Effect::Advanced { opening: opening.clone(), answered });
        if job.ending.is_finished() {
            step.effects.push(Effect::Finished { job: id.clone(), opening });
        }
        self.start_dispatching(&id, now, step);
        self.fill_for(&id, now, step);
        self.watch(&id, now);
        self.finish_if_complete(&id, step);
    }

    /// The unfinished job that a request without an id continues. Only the latest job with the same
    /// spec, report and origin counts: its producer abandoned the earlier ones.
    fn unended(&self, request: &JobRequest) -> Option<JobId> {
        if !request.resume || request.origin.is_none() || self.jobs.contains_key(&request.job) {
            return None;
        }
        let same = self.jobs.values().filter(|job| job.is_same(&request.spec, request.report.as_ref()));
        let same = same.filter(|job| job.is_unnamed() && job.origin() == request.origin.as_ref());
        let latest = same.max_by_key(|job| job.opened_at())?;
        latest.is_open().then(|| latest.id().clone())
    }

    /// Detaches the job's current opening to make room for a new one, and returns whether it has.
    /// The request must name the current opening and come from the same origin. From elsewhere it
    /// may be about another tree, and the job may be in use.
    fn replace(&mut self, request: &JobRequest, now: Moment, step: &mut Step) -> bool {
        let JobRequest { job: id, origin, instead_of: Some(opening), .. } = request else { return false };
        let may = |job: &Job| job.opening() == opening && origin.is_some() && job.origin() == origin.as_ref();
        let Some(mut job) = self.jobs.remove(id) else { return false };
        if !may(&job) {
            self.jobs.insert(id.clone(), job);
            return false;
        }
        let early = job.plan.early_mut().map(|early| early.clear());
        step.effects.extend(early.into_iter().flatten().map(Effect::Ack));
        self.land_all(&job, job.flights().values().cloned());
        self.openings.remove(opening);
        self.recalls.begin(&job, now);
        step.writes.push(Write::Replaced { job: id.clone() });
        step.effects.push(Effect::Recall { openings: vec![opening.clone()] });
        true
    }

    /// The refusal if a new job's report could get the same name as another job's. Jobs that were
    /// given one report name replace each other's report on purpose. But an earlier such report
    /// falls back to its job's id once a later one is there, so no other report may have that id as
    /// its name.
    fn report_is_taken(&self, JobRequest { job: id, report, .. }: &JobRequest) -> Option<String> {
        let is_of = |report: Option<&ReportName>, id: &JobId| report.is_some_and(|name| name.as_str() == id.as_str());
        let is_other = |other: &&Job| is_of(report.as_ref(), other.id()) || is_of(other.report(), id);
        let other = self.jobs.values().filter(|other| other.id() != id).find(is_other)?;
        let (name, option) =
            if is_of(report.as_ref(), other.id()) { (other.id().as_str(), "--report") } else { (id.as_str(), "--job") };
        Some(format!("job {} has or may get a report named {name}; give the new job another {option}", other.id()))
    }

    /// The reason to refuse the job, if there is one.
    fn refusal(&self, request: &JobRequest) -> Option<String> {
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
            None => self.report_is_taken(request),
            _ => None,
        }
    }

    fn opened(&self, id: &JobId) -> Opened {
        let job = &self.jobs[id];
        Opened {
            job: id.clone(),
            opening: job.opening().clone(),
            owner: self.config.owner.clone(),
            planned: job.plan.resumes_at(job.answered().prefix()),
            after: job.plan.hash().clone(),
            plan_end: job.plan.end(),
            ended: job.ended().or_else(|| self.ended_before(job)),
        }
    }

    /// The latest earlier job with the same spec and report that has ended.
    fn ended_before(&self, job: &Job) -> Option<Ended> {
        let same = self.jobs.values().filter(|other| other.is_same(job.spec(), job.report()));
        let before = same.filter(|other| other.id() != job.id() && other.opened_at() <= job.opened_at());
        before.filter(|other| !other.is_open()).max_by_key(|other| other.opened_at()).and_then(Job::ended)
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
