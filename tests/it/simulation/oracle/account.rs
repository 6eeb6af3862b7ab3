//! The receipt's arithmetic, and what must hold of cancelled and replayed jobs.

use std::collections::{BTreeMap, BTreeSet};

use shared::protocol::id::{JobId, OpeningId, TaskId};
use shared::protocol::job::{Counts, JobStatus};

use super::{Oracle, Task, ensure};
use crate::simulation::jobs::{Fate, File};

impl Oracle {
    /// The receipt's arithmetic.
    pub(super) fn check_account(&self, tasks: &[Task], status: &JobStatus) -> Result<(), String> {
        let counts = &status.counts;
        let sum = |of: &dyn Fn(&Task) -> u64| tasks.iter().map(of).sum::<u64>();
        let record = |task: &Task| self.records.get(&task.key);
        let good = |task: &Task| task.files.iter().filter(|file| !task.has_none(file)).count() as u64;
        let items_done = sum(&|task| {
            if task.is_whip && task.is_done() {
                1
            } else if task.is_done() {
                good(task)
            } else {
                0
            }
        });
        // What failed in planning failed, whatever became of the rest.
        let failed = |task: &Task| {
            if task.is_given_up && task.is_whip {
                1
            } else if task.is_given_up {
                task.files.len() as u64
            } else if task.has_outcome {
                task.files.iter().filter(|file| task.has_none(file)).count() as u64
            } else {
                task.files.iter().filter(|file| file.fate() == Fate::Unlisted).count() as u64
            }
        };
        let items_failed = sum(&failed);
        let listed = |file: &&File| file.fate() != Fate::Unlisted;
        let bytes_planned = sum(&|task| task.files.iter().filter(listed).map(File::size).sum());
        let read = |task: &Task| task.files.iter().filter(|file| !task.has_none(file)).map(File::size).sum::<u64>();
        let bytes_done = sum(&|task| if task.is_done() { read(task) } else { 0 });
        let tasks_cancelled = sum(&|task| u64::from(!task.has_outcome));
        let tasks_failed = sum(&|task| u64::from(task.is_given_up));
        let items = sum(&|task| if task.is_whip { 1 } else { task.files.len() as u64 });
        let wanted = [
            ("tasks planned", counts.tasks_planned, tasks.len() as u64),
            ("tasks failed", counts.tasks_failed, tasks_failed),
            ("tasks done", counts.tasks_done, tasks.len() as u64 - tasks_failed - tasks_cancelled),
            ("tasks cancelled", counts.tasks_cancelled, tasks_cancelled),
            ("tasks open", counts.tasks_open, 0),
            ("items planned", counts.items_planned, items),
            ("items done", counts.items_done, items_done),
            ("items failed", counts.items_failed, items_failed),
            ("items cancelled", counts.items_cancelled, items - items_done - items_failed),
            ("bytes planned", counts.bytes_planned, bytes_planned),
            ("bytes done", counts.bytes_done, bytes_done),
            ("replays", counts.replays, self.replays.get(&status.job).copied().unwrap_or(0)),
            ("conflicts", counts.conflicts, sum(&|task| record(task).map_or(0, |record| record.conflicts))),
        ];
        for (what, is, wanted) in wanted {
            ensure(is == wanted, || format!("{what}: {is}, and it should be {wanted}"))?;
        }
        self.check_deaths(status)?;
        let duplicates = sum(&|task| record(task).map_or(0, |record| record.duplicates));
        // Of a task that was given up, only the owner knows which failure was its last.
        // And what comes to an older store before it has planned that task again is refused.
        let is_exact = tasks_failed == 0 && counts.replays == 0 && !self.store_was_older;
        ensure(!is_exact || counts.duplicates == duplicates, || {
            format!("duplicates: {}, and it should be {duplicates}", counts.duplicates)
        })
    }

    /// Dead letters of tasks that were not out, or of ended jobs, count for nothing.
    fn check_deaths(&self, JobStatus { job, opening, counts, .. }: &JobStatus) -> Result<(), String> {
        let of = |opening: Option<&OpeningId>| self.deaths.get(&(job.clone(), opening.cloned())).copied();
        let deaths = [of(None), of(Some(opening))].map(Option::unwrap_or_default);
        let [refused, expired] = [0, 1].map(|at| deaths.iter().map(|deaths| deaths[at]).sum::<u64>());
        ensure(counts.dead_letters <= refused && counts.expired <= expired, || {
            format!("{} refused and {} expired, of {refused} and {expired}", counts.dead_letters, counts.expired)
        })
    }

    /// After each turn: what was cancelled stays so, and its account is as it was then. `cancelled`: the
    /// jobs that its owner has as such now.
    pub fn still_cancelled(&mut self, cancelled: &BTreeMap<JobId, Counts>, is_own: impl Fn(&JobId) -> bool) {
        let before = self.cancelled.clone();
        for (job, counts) in before.iter().filter(|(job, _)| is_own(job)) {
            match cancelled.get(job) {
                None => self.complain(format!("job {job} was cancelled, and is no more")),
                Some(now) if now != counts => {
                    self.complain(format!("the account of job {job} has changed after it was cancelled: {now:?}"));
                }
                Some(_) => {}
            }
        }
    }

    pub fn is_cancelled(&self, job: &str) -> bool {
        self.cancelled.keys().any(|cancelled| cancelled.as_str() == job)
    }

    /// These have failed, and are open again: what was known of them counts no more.
    pub fn replayed(&mut self, tasks: &[TaskId]) {
        for task in tasks {
            self.records.retain(|of, _| of.task != *task);
            *self.replays.entry(task.job.clone()).or_default() += 1;
        }
        let jobs: BTreeSet<&JobId> = tasks.iter().map(|task| &task.job).collect();
        for job in jobs {
            if self.cancelled.contains_key(job) {
                self.complain(format!("job {job} was cancelled, and has work again"));
            }
            // Its report has to be written anew.
            self.finished.remove(job);
            self.reports.remove(job);
        }
    }
}
