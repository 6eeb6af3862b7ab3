//! Receiving a plan. The owner takes a producer's tasks in order, each linked to the one before it.
//! A task that arrives early waits, unacked; a task of another walk over the tree is dropped.

use std::collections::BTreeMap;

use shared::protocol::id::{JobId, PlanHash, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Address, Outcome, Place, PlanEnd, Planned, Verdict};
use shared::system::clock::Moment;

use super::stale::Stale;
use super::{Effect, Owner, Step, Tag, TakenOver, Write};

/// A planned task with its place and delivery.
#[derive(Debug)]
pub(super) struct Arrived {
    pub planned: Box<Planned>,
    pub place: Place,
    pub kept: Option<Box<TakenOver>>,
    pub tag: Option<Tag>,
}

/// Tasks that wait for the ones before them. A producer has a limited number unconfirmed, so the
/// owner keeps at most that many.
#[derive(Debug, Default)]
pub(crate) struct Early {
    tasks: BTreeMap<u64, Arrived>,
    plan_end: Option<(PlanEnd, Place, Option<Tag>)>,
    /// When the plan last advanced.
    since: Moment,
}

impl Early {
    /// Whether tasks wait for the next task of the plan.
    pub fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.plan_end.is_none()
    }

    pub(super) fn clear(&mut self, step: &mut Step) {
        let tasks = std::mem::take(&mut self.tasks).into_values().filter_map(|arrived| arrived.tag);
        let plan_end = self.plan_end.take().and_then(|(_, _, tag)| tag);
        step.effects.extend(tasks.chain(plan_end).map(Effect::Ack));
    }
}

impl Owner {
    pub(super) fn planned(&mut self, id: &JobId, arrived: Arrived, now: Moment, step: &mut Step) {
        let (number, tag) = (arrived.planned.number, arrived.tag);
        let Some(job) = self.jobs.get_mut(id) else {
            return step.dead_letter(tag, format!("a plan for job {id}, which this owner does not have"));
        };
        if job.is_derived() || number >= limits::JOB_TASKS_MAX {
            return step.dead_letter(tag, format!("task {number} is beyond the plan of job {id}"));
        }
        if job.is_other(&arrived.place.opening) {
            return self.drop_stale(id, Stale::Opening, tag, step);
        }
        // Just ack a task of a cancelled job: its producer learns of the cancellation otherwise.
        let is_planned = job.plan_end.is_some_and(|plan_end| plan_end <= number) || job.planned.contains(number);
        if job.cancelled_at.is_some() || is_planned {
            return step.ack(tag);
        }
        if number > job.planned.prefix() {
            if job.early.is_empty() {
                job.early.since = now;
            }
            // The latest task of this number counts: it is from the latest walk.
            let replaced = job.early.tasks.insert(number, arrived);
            step.ack(replaced.and_then(|arrived| arrived.tag));
            if job.early.tasks.len() > limits::PLAN_WINDOW {
                let last = job.early.tasks.pop_last();
                step.ack(last.and_then(|(_, arrived)| arrived.tag));
            }
            return;
        }
        self.take(id, arrived, now, step);
        self.take_early(id, now, step);
        self.send_more(id, now, step);
        self.finish_if_complete(id, step);
    }

    /// Adds a task to the plan if it follows the one before it.
    fn take(&mut self, id: &JobId, arrived: Arrived, now: Moment, step: &mut Step) {
        let Arrived { planned, place, kept, tag } = arrived;
        let Some(job) = self.jobs.get_mut(id) else { return };
        if !job.follows(&place) {
            return self.drop_stale(id, Stale::Plan, tag, step);
        }
        step.ack(tag);
        let before = job.answered.prefix();
        job.take(&planned);
        job.early.since = now;
        let answered = job.answered.prefix();
        let (plan, task) = (job.plan.clone(), TaskId { job: id.clone(), number: planned.number });
        let taken = kept.as_ref().map(|taken| Box::new(taken.kept.clone()));
        step.writes.push(Write::Task { job: id.clone(), planned, plan: plan.clone(), kept: taken });
        self.changed.push(id.clone());
        if answered > before {
            step.effects.push(Effect::Advanced { opening: job.opening.clone(), answered });
        }
        if let Some(taken) = kept {
            self.take_over(task, plan, *taken, now, step);
        }
    }

    /// Records what a task takes over. A complete answer counts as if it had come now.
    fn take_over(&mut self, task: TaskId, plan: PlanHash, taken: TakenOver, now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.counts.items_kept += u64::from(taken.kept.items);
        let Some(tally) = taken.whole else { return };
        let address = Address {
            opening: job.opening.clone(),
            plan,
            attempt: 0,
            owner: self.config.owner.clone(),
            workload: job.spec.workload(),
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
        self.count(Box::new(outcome), tally, now, step);
    }

    /// Takes the waiting tasks whose turn has come.
    fn take_early(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        while let Some(job) = self.jobs.get_mut(id) {
            let next = job.planned.prefix();
            let Some(arrived) = job.early.tasks.remove(&next) else { break };
            self.take(id, arrived, now, step);
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        // Drop waiting tasks whose numbers are in the plan by now.
        while job.early.tasks.first_key_value().is_some_and(|(&number, _)| number < job.planned.prefix()) {
            let taken = job.early.tasks.pop_first();
            step.ack(taken.and_then(|(_, arrived)| arrived.tag));
        }
        if job.early.plan_end.as_ref().is_some_and(|(plan_end, ..)| plan_end.tasks <= job.planned.prefix())
            && let Some((plan_end, place, tag)) = job.early.plan_end.take()
        {
            self.end_plan(plan_end, place, tag, now, step);
        }
    }

    pub(super) fn end_plan(&mut self, plan_end: PlanEnd, place: Place, tag: Option<Tag>, now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(&plan_end.job) else {
            return step
                .dead_letter(tag, format!("a plan end for job {}, which this owner does not have", plan_end.job));
        };
        if job.is_other(&place.opening) {
            return self.drop_stale(&plan_end.job, Stale::Opening, tag, step);
        }
        let was_complete = job.plan_end.is_some();
        if job.cancelled_at.is_some() || (was_complete && !job.is_derived()) {
            return step.ack(tag);
        }
        if !job.is_derived() {
            if plan_end.tasks > job.planned.prefix() {
                if job.early.is_empty() {
                    job.early.since = now;
                }
                let replaced = job.early.plan_end.replace((plan_end, place, tag));
                return step.ack(replaced.and_then(|(_, _, tag)| tag));
            }
            if plan_end.tasks < job.planned.end() || !job.follows(&place) {
                return self.drop_stale(&plan_end.job, Stale::Plan, tag, step);
            }
        }
        if plan_end.tasks > limits::JOB_TASKS_MAX || !job.end_plan(plan_end.tasks) {
            return step.dead_letter(
                tag,
                format!("a plan end at {} tasks contradicts the plan of job {}", plan_end.tasks, plan_end.job),
            );
        }
        step.ack(tag);
        if !was_complete {
            // The plan is complete, so drop whatever still waits.
            job.early.clear(step);
            job.watch_derived(now);
            self.changed.push(plan_end.job.clone());
        }
        self.finish_if_complete(&plan_end.job, step);
    }

    /// Drops early tasks that have waited too long: a task before them was lost. Their producer
    /// plans again from the gap.
    pub(super) fn forget_early(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if !job.early.is_empty() && now.saturating_sub(job.early.since) >= limits::PLAN_SILENCE {
            job.early.clear(step);
        }
    }
}
