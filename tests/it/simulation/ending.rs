//! The end of a run: whether it has come, and whether it is the right one.

use std::time::Duration;

use shared::protocol::id::JobId;
use shared::system::clock::Moment;

use super::jobs::Runner;
use super::processes::{Kind, Process};
use super::world::{What, World};

/// How often a task may be begun when nothing goes wrong any more: it fails some times, and what was sent
/// twice before is done twice.
const RUNS_MAX: u32 = 12;

impl World {
    /// Whether all jobs have ended, and nothing is left anywhere.
    pub fn is_over(&mut self, calm_since: Moment) -> bool {
        if self.now > calm_since + Duration::from_secs(60) {
            self.submit_again();
        }
        let all_ended = self.jobs.all.iter().all(|job| self.oracle.finished.contains(&job.id));
        let shared = self.broker.names();
        let is_free = |job: &&super::jobs::Job| !self.oracle.is_cancelled(job.id.as_str()) || !self.is_at_work(&job.id);
        let is_drained = || self.broker.left().iter().all(|(name, _)| !shared.contains(name));
        let is_said = |process: &Process| process.wire.unconfirmed.values().all(|publish| publish.token.is_none());
        all_ended
            && self.processes.iter().all(|process| process.is_done() || process.serves())
            && self.processes.iter().all(is_said)
            && is_drained()
            && self.jobs.all.iter().all(|job| is_free(&job))
    }

    fn is_at_work(&self, job: &JobId) -> bool {
        self.processes.iter().any(|process| process.role.as_ref().is_some_and(|role| role.works_on(job)))
    }

    /// No consumer dies again and again of one task, and none is begun again and again.
    fn check_tries(&self, faults: usize) -> Result<(), String> {
        // The third delivery of a message is isolated, and the second of the next one: nobody counts the returns of
        // all messages of a task. A fault may make four deliveries of one, or have its owner count anew.
        let deaths_max = 3 + 4 * u32::try_from(faults).unwrap_or(u32::MAX / 4);
        if let Some((task, deaths)) = self.jobs.deaths.iter().find(|(_, deaths)| **deaths > deaths_max) {
            return Err(format!("task {task} has killed {deaths} consumers"));
        }
        let runs = |task| self.jobs.runs.get(task).copied().unwrap_or(0);
        match self.jobs.long.iter().find(|(task, before)| runs(task) > *before + RUNS_MAX) {
            Some((task, before)) => {
                Err(format!("task {task} was begun {} times after the last fault", runs(task) - before))
            }
            None => Ok(()),
        }
    }

    /// A producer that has left comes back for a job that has not ended, as its user would.
    fn submit_again(&mut self) {
        for process in 0..self.processes.len() {
            let Kind::Producer { job } = &self.processes[process].kind else { continue };
            let is_left = self.jobs.job(job).is_some_and(|job| job.runner == Runner::Producer { waits: false });
            if is_left && self.processes[process].is_done() && !self.oracle.finished.contains(job) {
                self.processes[process].done = false;
                self.plan(process, Duration::from_millis(1), What::Start);
            }
        }
    }

    pub fn complain_of_no_end(&mut self) {
        let open: Vec<_> = self.jobs.all.iter().filter(|job| !self.oracle.finished.contains(&job.id)).collect();
        let status = |job: &&super::jobs::Job| {
            let status = self
                .processes
                .iter()
                .find_map(|process| process.role.as_ref().and_then(|role| role.status(&job.id, self.now)));
            let counts = status.map(|status| (status.state, status.counts));
            match counts {
                Some((state, c)) => format!(
                    "{} {} with {} planned, {} done, {} failed",
                    job.id,
                    state.as_str(),
                    c.tasks_planned,
                    c.tasks_done,
                    c.tasks_failed
                ),
                None => format!("{} which nobody knows", job.id),
            }
        };
        let open: Vec<String> = open.iter().map(status).collect();
        let waiting: Vec<_> = self.processes.iter().filter(|p| !p.is_done() && !p.serves()).map(|p| &p.name).collect();
        let left = self.broker.left();
        let what = format!("no end: jobs {open:?}, waiting {waiting:?}, in queues {left:?}");
        self.oracle.complain(what);
    }

    /// The last word about each job.
    pub fn check_end(&mut self, faults: usize) {
        if let Err(what) = self.check_tries(faults) {
            return self.oracle.complain(what);
        }
        for job in &self.jobs.all {
            let owner = self.processes.iter().find(|process| process.owns(job));
            let Some(owner) = owner else { continue };
            // A command has gone with its job; what it left was looked at as it ended.
            let Some(status) = owner.role.as_ref().and_then(|role| role.status(&job.id, self.now)) else { continue };
            let checked = self.oracle.check(&self.jobs, job, owner.store(), &status, &self.broker.given_up, true);
            if let Err(what) = checked {
                return self.oracle.complain(format!("job {} at the end: {what}", job.id));
            }
        }
    }
}
