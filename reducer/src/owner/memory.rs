//! Which jobs are in the owner's memory: those without a report, and the few that ended last. Others
//! are in the store alone; the ledger brings one back when something about it arrives.

use std::collections::{BTreeMap, VecDeque};

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::job::JobSpec;
use shared::system::clock::Moment;

use super::{Job, Owner};
use crate::fold;

/// The sums of the labels of the jobs in memory.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<String, Sum>);

#[derive(Debug)]
struct Sum {
    total: i64,
    /// Jobs in memory with this label.
    jobs: usize,
}

impl Sums {
    /// One more job has this label. `total` is its sum in the store.
    fn join(&mut self, label: String, total: i64) {
        self.0.entry(label).or_insert(Sum { total, jobs: 0 }).jobs += 1;
    }

    fn leave(&mut self, label: &str) {
        let Some(sum) = self.0.get_mut(label) else { return };
        sum.jobs -= 1;
        if sum.jobs == 0 {
            self.0.remove(label);
        }
    }

    pub fn add(&mut self, label: &str, amount: i64) {
        if let Some(sum) = self.0.get_mut(label) {
            sum.total += amount;
        }
    }

    pub fn total(&self, label: &str) -> i64 {
        self.0.get(label).map_or(0, |sum| sum.total)
    }
}

/// Jobs that have ended and are in memory, the one that was used last at the end.
#[derive(Debug, Default)]
pub(super) struct Ended(VecDeque<JobId>);

impl Ended {
    pub(super) fn add(&mut self, job: &JobId) {
        self.0.retain(|known| known != job);
        self.0.push_back(job.clone());
    }
}

impl Owner {
    /// Takes over what an earlier process has left: the jobs without a report, each with the sum of
    /// its label.
    pub(crate) fn restore(&mut self, jobs: Vec<(Job, i64)>, recalled: Vec<(OpeningId, JobSpec)>, now: Moment) {
        let dispatching = !self.config.dispatches_on_open;
        if !self.config.queues_end && jobs.iter().any(|(job, _)| job.is_open()) {
            self.consumers.unknown_until(now + self.config.heartbeat);
        }
        for (opening, spec) in recalled {
            self.recalls.begin(&opening, &spec, now);
        }
        for (mut job, sum) in jobs {
            if self.config.queues_end {
                job.account.returned_all();
            }
            if job.ending.is_cancelled() {
                self.recalls.begin(job.opening(), job.spec(), now);
            }
            job.dispatch(dispatching);
            self.count_flights(&job);
            let id = job.id().clone();
            self.insert(job, sum);
            self.queue_job(&id);
            self.watch(&id, now);
        }
    }

    /// A job comes back from the store. `sum` is that of its label.
    pub(crate) fn adopt(&mut self, mut job: Job, sum: i64) {
        job.dispatch(!self.config.dispatches_on_open);
        self.count_flights(&job);
        let id = job.id().clone();
        self.insert(job, sum);
        self.ended.add(&id);
    }

    pub(super) fn insert(&mut self, job: Job, sum: i64) {
        if let Some(label) = fold::of(job.spec()).label() {
            self.sums.join(label, sum);
        }
        self.openings.insert(job.opening().clone(), job.id().clone());
        self.jobs.insert(job.id().clone(), job);
    }

    /// Takes a job out of memory.
    pub(super) fn remove(&mut self, id: &JobId) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        if let Some(label) = fold::of(job.spec()).label() {
            self.sums.leave(&label);
        }
        self.openings.remove(job.opening());
        self.ended.0.retain(|ended| ended != id);
        self.land_all(&job, job.flights().values().cloned());
        Some(job)
    }

    /// How many jobs are in memory.
    pub fn in_memory(&self) -> usize {
        self.jobs.len()
    }

    /// Forgets the jobs that ended longest ago. Their accounts must be in the store by now.
    pub(crate) fn forget_ended(&mut self) {
        while self.ended.0.len() > self.config.ended_kept {
            let Some(id) = self.ended.0.pop_front() else { return };
            let has_ended = self.jobs.get(&id).is_some_and(|job| job.ending.is_finished());
            // A job that is open again, or waits for its report, stays.
            if has_ended {
                self.remove(&id);
            }
        }
    }
}
