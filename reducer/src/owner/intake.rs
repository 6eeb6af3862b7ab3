//! Receiving a plan. The owner takes a producer's tasks in order, each linked to the one before it.
//! A task that arrives early waits, unacked; a task of another walk over the tree is dropped.

use shared::protocol::id::{JobId, PlanHash, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Address, Outcome, Place, PlanEnd, Planned, Verdict};
use shared::system::clock::Moment;

use super::job::End;
use super::stale::Stale;
use super::{Effect, Owner, Step, Tag, TakenOver, Write};

/// A planned task with its place and delivery.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub planned: Box<Planned>,
    pub place: Place,
    pub kept: Option<Box<TakenOver>>,
    pub tag: Option<Tag>,
}

impl Owner {
    pub(super) fn planned(&mut self, id: &JobId, arrival: Arrival, now: Moment, step: &mut Step) {
        let (number, tag) = (arrival.planned.number, arrival.tag);
        let Some(job) = self.jobs.get_mut(id) else {
            return step.dead_letter(tag, format!("a plan for job {id}, which this owner does not have"));
        };
        if let Some(fault) = arrival.planned.fault() {
            return step.dead_letter(tag, format!("task {number} of job {id} cannot be planned: {fault}"));
        }
        let is_other = job.is_other(&arrival.place.opening);
        let is_planned = job.plan.end().is_some_and(|end| end <= number) || job.plan.contains(number);
        let (is_cancelled, is_next) = (job.ending.is_cancelled(), number <= job.plan.prefix());
        let Some(early) = job.plan.early_mut().filter(|_| number < limits::JOB_TASKS_MAX) else {
            return step.dead_letter(tag, format!("task {number} is beyond the plan of job {id}"));
        };
        if is_other {
            return self.drop_other(id, &arrival.place.opening, tag, step);
        }
        // Just ack a task of a cancelled job: its producer learns of the cancellation otherwise.
        if is_cancelled || is_planned {
            return step.ack(tag);
        }
        if !is_next {
            early.add(arrival, now).into_iter().for_each(|dropped| step.ack(dropped.tag));
            return;
        }
        self.take(id, arrival, now, step);
        self.take_early(id, now, step);
        self.fill_for(id, now, step);
        self.finish_if_complete(id, step);
    }

    /// Adds a task to the plan if it follows the one before it.
    fn take(&mut self, id: &JobId, arrival: Arrival, now: Moment, step: &mut Step) {
        let Arrival { planned, place, kept, tag } = arrival;
        let Some(job) = self.jobs.get_mut(id) else { return };
        if !job.plan.follows(&place) {
            return self.drop_stale(id, Stale::Plan, tag, step);
        }
        step.ack(tag);
        job.plan.take(&planned);
        job.account.planned(&planned);
        if let Some(early) = job.plan.early_mut() {
            early.advanced(now);
        }
        let (plan, task) = (job.plan.hash().clone(), TaskId { job: id.clone(), number: planned.number });
        let (class, has_work, has_needs) =
            (planned.class.clone(), planned.body.is_some(), !planned.notes.needs.is_empty());
        job.note_needs(has_needs);
        let taken = kept.as_ref().map(|taken| Box::new(taken.kept.clone()));
        step.writes.push(Write::Task { job: id.clone(), planned, plan: plan.clone(), kept: taken });
        self.changed.push(id.clone());
        if !has_work {
            self.answered(&task, step);
            return;
        }
        // A task with needs waits in the store.
        if !has_needs {
            self.make_ready(id, &class, task.number);
        }
        if let Some(taken) = kept {
            self.take_over(task, plan, *taken, now, step);
        }
    }

    /// Records what a task takes over. A complete answer counts as if it had come now.
    fn take_over(&mut self, task: TaskId, plan: PlanHash, taken: TakenOver, now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.account.kept(taken.kept.items);
        let Some(tally) = taken.whole else { return };
        let address = Address {
            opening: job.opening().clone(),
            plan,
            attempt: 0,
            owner: self.config.owner.clone(),
            workload: job.workload(),
            task,
        };
        let outcome = Outcome {
            address,
            consumer: None,
            host: taken.kept.host,
            micros: 0,
            redelivered: false,
            verdict: Verdict::Done(taken.kept.answer),
            parts: None,
        };
        self.count(Box::new(outcome), tally, None, now, step);
    }

    /// Takes the waiting tasks whose turn has come.
    fn take_early(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        while let Some(job) = self.jobs.get_mut(id) {
            let next = job.plan.prefix();
            let Some(arrival) = job.plan.early_mut().and_then(|early| early.take(next)) else { break };
            self.take(id, arrival, now, step);
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        let next = job.plan.prefix();
        let Some(early) = job.plan.early_mut() else { return };
        early.overtaken(next).for_each(|arrival| step.ack(arrival.tag));
        if let Some((plan_end, place, tag)) = early.take_end(next) {
            self.end_plan(plan_end, place, tag, now, step);
        }
    }

    pub(super) fn end_plan(&mut self, plan_end: PlanEnd, place: Place, tag: Option<Tag>, now: Moment, step: &mut Step) {
        let PlanEnd { job: id, tasks } = plan_end.clone();
        let Some(job) = self.jobs.get_mut(&id) else {
            return step.dead_letter(tag, format!("a plan end for job {id}, which this owner does not have"));
        };
        if job.is_other(&place.opening) {
            return self.drop_other(&id, &place.opening, tag, step);
        }
        if job.ending.is_cancelled() {
            return step.ack(tag);
        }
        match job.plan.judge_end(tasks, &place, job.answered()) {
            End::Known => step.ack(tag),
            End::Early => {
                let early = job.plan.early_mut();
                step.ack(early.and_then(|early| early.add_end(plan_end, place, tag, now)));
                return;
            }
            End::Other => return self.drop_stale(&id, Stale::Plan, tag, step),
            End::Ends { cut } if tasks <= limits::JOB_TASKS_MAX => {
                step.ack(tag);
                job.plan.finish(tasks);
                job.account.cut(cut);
                if job.plan.is_derived() {
                    job.account.sent_all(tasks);
                }
                // The plan is complete, so drop whatever still waits.
                let dropped = job.plan.early_mut().map(|early| early.clear());
                step.effects.extend(dropped.into_iter().flatten().map(Effect::Ack));
                self.changed.push(id.clone());
                self.watch(&id, now);
            }
            End::Ends { .. } | End::Contradicts => {
                let reason = format!("a plan end at {tasks} tasks contradicts the plan of job {id}");
                return step.dead_letter(tag, reason);
            }
        }
        self.finish_if_complete(&id, step);
    }

    /// Drops early tasks that have waited too long: a task before them was lost. Their producer
    /// plans again from the gap.
    pub(super) fn forget_early(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let early = self.jobs.get_mut(id).and_then(|job| job.plan.early_mut());
        if let Some(early) = early.filter(|early| early.is_stuck(now)) {
            step.effects.extend(early.clear().into_iter().map(Effect::Ack));
        }
    }
}
