//! Dead tasks: replaying them, or dropping them from the list.

use std::collections::BTreeSet;

use shared::protocol::id::JobId;
use shared::protocol::message::Reply;
use shared::system::clock::Moment;

use super::found::Dead;
use super::{Job, Owner, ReplyTo, Step, Write};

impl Job {
    /// Whether its failed tasks can be replayed. The job must not change while its report is
    /// written.
    fn can_reopen(&self) -> bool {
        let is_reporting = self.reporting && self.finished_at.is_none();
        self.cancelled_at.is_none() && !is_reporting
    }

    /// Reopens a failed task, and with it the job.
    fn reopen(&mut self, dead: &Dead) -> bool {
        if !self.answered.remove(dead.task.number) {
            return false;
        }
        self.counts.tasks_failed -= 1;
        self.counts.tasks_open += 1;
        self.counts.items_failed -= u64::from(dead.items);
        self.counts.replays += 1;
        self.finished_at = None;
        self.report_sha256 = None;
        self.reporting = false;
        self.replays.insert(dead.task.number, dead.attempts + 1);
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
            if !job.can_reopen() {
                kept += 1;
            } else if job.reopen(&dead) {
                tasks += 1;
                reopened.insert(dead.task.job.clone());
                step.writes.push(Write::Replayed { task: dead.task });
            }
        }
        for job in reopened {
            self.changed.push(job.clone());
            self.send_more(&job, now, step);
        }
        step.reply(reply, Reply::Replayed { tasks, kept });
    }

    pub(super) fn forget(&mut self, dead: Vec<Dead>, reply: ReplyTo, step: &mut Step) {
        let tasks = dead.len() as u64;
        step.writes.extend(dead.into_iter().map(|dead| Write::Forgotten { task: dead.task }));
        step.reply(reply, Reply::Forgotten { tasks });
    }
}
