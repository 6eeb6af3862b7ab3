//! Dead tasks: replaying them, or dropping them from the list.

use std::collections::BTreeSet;

use shared::protocol::id::JobId;
use shared::protocol::message::Reply;
use shared::system::clock::Moment;

use super::found::Dead;
use super::{Job, Owner, ReplyTo, Step, Write};

impl Job {
    /// Reopens a failed task, and with it the job.
    fn reopen(&mut self, dead: &Dead) -> bool {
        if !self.unanswer(dead.task.number) {
            return false;
        }
        self.account.reopened(dead.items);
        self.ending.reopen();
        // One that needs others waits for these first.
        if let Some(class) = dead.class.as_ref().or(self.plan.class()).filter(|_| !dead.has_needs) {
            self.ready.replay(class, dead.task.number, dead.attempts + 1);
        }
        true
    }
}

impl Owner {
    /// Each replayed task gets as many attempts as a new one. The receipt and the report are
    /// written again after that.
    pub(super) fn replay(&mut self, dead: Vec<Dead>, reply: ReplyTo, now: Moment, step: &mut Step) {
        let (mut tasks, mut kept) = (0, 0);
        let mut reopened: BTreeSet<JobId> = BTreeSet::new();
        for dead in dead.into_iter().filter(|dead| dead.is_failed) {
            let Some(job) = self.jobs.get_mut(&dead.task.job) else { continue };
            // Whoever streams a job has heard that the task failed, and takes no second outcome.
            if !job.ending.can_reopen() || job.stream().is_some() {
                kept += 1;
            } else if job.reopen(&dead) {
                tasks += 1;
                reopened.insert(dead.task.job.clone());
                step.writes.push(Write::Replayed { task: dead.task });
            }
        }
        for job in reopened {
            self.changed.push(job.clone());
            self.queue_job(&job);
            self.fill_for(&job, now, step);
        }
        step.reply(reply, Reply::Replayed { tasks, kept });
    }

    pub(super) fn forget(&mut self, dead: Vec<Dead>, reply: ReplyTo, step: &mut Step) {
        let tasks = dead.len() as u64;
        step.writes.extend(dead.into_iter().map(|dead| Write::Forgotten { task: dead.task }));
        step.reply(reply, Reply::Forgotten { tasks });
    }
}
