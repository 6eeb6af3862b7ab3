//! A plan on its way in. A producer's tasks are taken in order, each linked to the one before it: what
//! comes before its turn waits, unacked, and what belongs to another walk over the tree is dropped.

use std::collections::BTreeMap;

use shared::clock::Moment;
use shared::id::JobId;
use shared::limits;
use shared::message::{Planned, Seal, link};

use super::{Effect, Owner, Step, Tag, Write};

/// A task of a plan with what came with it.
#[derive(Debug)]
pub(super) struct Arrived {
    pub planned: Box<Planned>,
    pub after: Option<String>,
    pub tag: Option<Tag>,
}

/// What waits for the tasks before it: no more than a producer has under way.
#[derive(Debug, Default)]
pub(crate) struct Early {
    tasks: BTreeMap<u64, Arrived>,
    seal: Option<(Seal, Option<String>, Option<Tag>)>,
    /// When the plan last went on.
    since: Moment,
}

impl Early {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.seal.is_none()
    }

    pub(super) fn clear(&mut self, step: &mut Step) {
        let tasks = std::mem::take(&mut self.tasks).into_values().filter_map(|arrived| arrived.tag);
        let seal = self.seal.take().and_then(|(_, _, tag)| tag);
        step.effects.extend(tasks.chain(seal).map(Effect::Ack));
    }
}

impl Owner {
    pub(super) fn planned(&mut self, id: &JobId, arrived: Arrived, now: Moment, step: &mut Step) {
        let (number, tag) = (arrived.planned.number, arrived.tag);
        let Some(job) = self.jobs.get_mut(id) else {
            return step.bury(tag, format!("a plan for job {id}, which this owner does not have"));
        };
        if job.cancelled_at.is_some() {
            // Its producer will hear of it.
            return step.ack(tag);
        }
        let is_beyond = job.sealed.unwrap_or(limits::JOB_TASKS_MAX) <= number;
        if job.is_derived() || (is_beyond && arrived.after.is_none()) {
            return step.bury(tag, format!("task {number} is beyond the sealed plan of job {id}"));
        }
        if is_beyond || (arrived.after.is_some() && job.planned.contains(number)) {
            return step.ack(tag);
        }
        if arrived.after.is_some() && number > job.planned.prefix() {
            if job.early.is_empty() {
                job.early.since = now;
            }
            // The latest counts: it is of the latest walk.
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

    /// Takes a task into the plan, if it follows the one before it.
    fn take(&mut self, id: &JobId, arrived: Arrived, now: Moment, step: &mut Step) {
        let Arrived { planned, after, tag } = arrived;
        step.ack(tag);
        let Some(job) = self.jobs.get_mut(id) else { return };
        if !job.follows(after.as_deref()) {
            return tracing::info!(job = %id, planned.number, "A task of another walk over the tree is dropped.");
        }
        let before = job.answered.prefix();
        if !job.plan(&planned) {
            return;
        }
        job.early.since = now;
        let is_next = job.planned.prefix() == planned.number + 1;
        job.after = job.after.take().filter(|_| is_next).map(|before| link(&before, &planned));
        let answered = job.answered.prefix();
        step.writes.push(Write::Task { job: id.clone(), planned });
        self.changed.push(id.clone());
        if answered > before {
            step.effects.push(Effect::Advanced { job: id.clone(), answered });
        }
    }

    /// What waited, as far as its turn has come.
    fn take_early(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        while let Some(job) = self.jobs.get_mut(id) {
            let next = job.planned.prefix();
            let Some(arrived) = job.early.tasks.remove(&next) else { break };
            self.take(id, arrived, now, step);
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        // Numbers that a task in between has taken.
        while job.early.tasks.first_key_value().is_some_and(|(&number, _)| number < job.planned.prefix()) {
            let taken = job.early.tasks.pop_first();
            step.ack(taken.and_then(|(_, arrived)| arrived.tag));
        }
        if job.early.seal.as_ref().is_some_and(|(seal, ..)| seal.tasks <= job.planned.prefix())
            && let Some((seal, after, tag)) = job.early.seal.take()
        {
            self.seal(seal, after, tag, now, step);
        }
    }

    pub(super) fn seal(&mut self, seal: Seal, after: Option<String>, tag: Option<Tag>, now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(&seal.job) else {
            return step.bury(tag, format!("a seal for job {}, which this owner does not have", seal.job));
        };
        if job.cancelled_at.is_some() {
            return step.ack(tag);
        }
        let was_sealed = job.sealed.is_some();
        if after.is_some() && !job.is_derived() {
            if was_sealed {
                return step.ack(tag);
            }
            if seal.tasks > job.planned.prefix() {
                if job.early.is_empty() {
                    job.early.since = now;
                }
                let replaced = job.early.seal.replace((seal, after, tag));
                return step.ack(replaced.and_then(|(_, _, tag)| tag));
            }
            if seal.tasks < job.planned.end() || !job.follows(after.as_deref()) {
                tracing::info!(job = %seal.job, seal.tasks, "A seal of another walk over the tree is dropped.");
                return step.ack(tag);
            }
        }
        if seal.tasks > limits::JOB_TASKS_MAX || !job.seal(seal.tasks) {
            return step.bury(tag, format!("a seal at {} tasks contradicts the plan of job {}", seal.tasks, seal.job));
        }
        step.ack(tag);
        if !was_sealed {
            // Nothing can come after it any more.
            job.early.clear(step);
            job.watch_derived(now);
            self.changed.push(seal.job.clone());
        }
        self.finish_if_complete(&seal.job, step);
    }

    /// What was before its turn for too long waits for something that was lost. Its producer plans
    /// from there again.
    pub(super) fn forget_early(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if !job.early.is_empty() && now.saturating_sub(job.early.since) >= limits::PLAN_SILENCE {
            job.early.clear(step);
        }
    }
}
