//! Cancelling: a job ends as it stands, and consumers are told until none of its tasks is around.

use std::collections::BTreeSet;

use shared::clock::Moment;
use shared::id::{Class, JobId, TaskId};
use shared::limits;
use shared::message::Reply;
use shared::workload::Workload;

use super::{Effect, Job, Owner, ReplyTo, Step, Write};
use crate::fold;
use crate::mutant::{self, Mutant};

/// What may still be around of a cancelled job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recall {
    /// Classes in whose queues tasks may wait.
    classes: BTreeSet<Class>,
    /// When a consumer last named one of its tasks.
    heard_at: Moment,
    /// When the queues were last looked at.
    probed_at: Moment,
}

impl Job {
    /// Ends it as it stands: what has no outcome now will have none, and its plan is as long as it is.
    fn cancel(&mut self, now: Moment) {
        self.cancelled_at = Some(now);
        self.sealed = self.sealed.or(Some(self.planned.end()));
        self.flights.clear();
        self.replays.clear();
        let counts = &mut self.counts;
        counts.tasks_cancelled = std::mem::take(&mut counts.tasks_open);
        counts.items_cancelled = counts.items_planned - counts.items_done - counts.items_failed;
        self.recall_all(now);
    }

    /// Its tasks may be anywhere: a process before this one may have sent them.
    pub(crate) fn recall_all(&mut self, now: Moment) {
        let classes = fold::classes(&self.spec).into_iter().collect();
        self.recall = Some(Recall { classes, heard_at: now, probed_at: now });
    }
}

impl Owner {
    pub(super) fn is_cancelled(&self, job: &JobId) -> bool {
        self.jobs.get(job).is_some_and(|job| job.cancelled_at.is_some())
    }

    pub(super) fn cancel(&mut self, id: &JobId, reply: ReplyTo, now: Moment, step: &mut Step) {
        // With all its outcomes a job has ended, though its report may not be written yet.
        if let Some(job) = self.jobs.get_mut(id).filter(|job| job.is_open() && !job.is_complete()) {
            job.cancel(now);
            job.early.clear(step);
            if !mutant::is(Mutant::CancelUnwritten) {
                step.writes.push(Write::Cancelled { job: id.clone() });
            }
            step.effects.push(Effect::Recall { jobs: vec![id.clone()] });
            self.changed.push(id.clone());
            self.finish_if_complete(id, step);
        }
        let answer = self.status(id, now).map_or(Reply::UnknownJob, |status| Reply::Status(Box::new(status)));
        step.reply(reply, answer);
    }

    /// A consumer names what it holds; a new one, what it serves, too. It has not heard what was said
    /// before it came, and what was said to another may be lost.
    pub(super) fn recall(&mut self, holds: &[TaskId], serves: &[(Workload, Class)], now: Moment, step: &mut Step) {
        let mut jobs = BTreeSet::new();
        for task in holds {
            if let Some(job) = self.jobs.get_mut(&task.job).filter(|job| job.cancelled_at.is_some()) {
                if job.recall.is_none() {
                    job.recall_all(now);
                }
                job.recall.iter_mut().for_each(|recall| recall.heard_at = now);
                jobs.insert(task.job.clone());
            }
        }
        if !serves.is_empty() {
            let waits = |job: &&Job| {
                let workload = job.spec.workload();
                let classes = job.recall.iter().flat_map(|recall| &recall.classes);
                classes.into_iter().any(|class| serves.iter().any(|(w, c)| *w == workload && c == class))
            };
            let mut waiting: Vec<&Job> = self.jobs.values().filter(waits).collect();
            waiting.sort_by_key(|job| std::cmp::Reverse(job.cancelled_at));
            jobs.extend(waiting.into_iter().take(limits::CANCELLED_KEPT).map(|job| job.id.clone()));
        }
        if !jobs.is_empty() {
            step.effects.push(Effect::Recall { jobs: jobs.into_iter().take(limits::CANCELLED_KEPT).collect() });
        }
    }

    /// Looks whether tasks of cancelled jobs still wait in queues, once a heartbeat.
    pub(super) fn probe_recalled(&mut self, now: Moment, step: &mut Step) {
        let heartbeat = self.config.heartbeat;
        let mut places = BTreeSet::new();
        for job in self.jobs.values_mut() {
            let workload = job.spec.workload();
            let Some(recall) = &mut job.recall else { continue };
            if now.saturating_sub(recall.heard_at) >= heartbeat * 2 && now.saturating_sub(recall.probed_at) >= heartbeat
            {
                recall.probed_at = now;
                places.extend(recall.classes.iter().map(|class| (workload, class.clone())));
            }
        }
        let probe = |(workload, class)| Effect::Probe { workload, class };
        step.effects.extend(places.into_iter().map(probe));
    }

    /// A queue is empty or gone: of cancelled jobs that no consumer names nothing is left there.
    pub(super) fn forget_recalled(&mut self, workload: Workload, class: &Class, now: Moment) {
        let silence = self.config.heartbeat * 2;
        for job in self.jobs.values_mut().filter(|job| job.spec.workload() == workload) {
            if let Some(recall) = job.recall.as_mut().filter(|recall| now.saturating_sub(recall.heard_at) >= silence) {
                recall.classes.remove(class);
                if recall.classes.is_empty() {
                    job.recall = None;
                }
            }
        }
    }
}
