//! What faults do to the world.

use std::time::Duration;

use rand::RngExt;
use shared::id::JobId;

use super::faults::{Fault, Which};
use super::jobs::{Fate, File, Runner};
use super::owner::{OWN, lose_store};
use super::processes::{Kind, Process};
use super::world::{What, World};

/// Faults that wait for the next one of something.
#[derive(Debug, Default)]
pub(super) struct Armed {
    pub lose_confirm: bool,
    pub repeat_confirm: bool,
    pub delay: Duration,
    pub drop_ack: Option<u64>,
    pub kill_holder: Option<u64>,
    pub lose_lease: bool,
    /// What a repeated confirm says once more.
    pub last_confirmed: Option<u64>,
}

impl World {
    /// Does it, or has it wait for its occasion.
    pub fn strike(&mut self, fault: Fault) {
        let of = |process: usize, world: &Self| process % world.processes.len();
        match fault {
            Fault::Crash { process, actions, millis } => {
                let process = of(process, self);
                self.processes[process].crash = Some((actions, millis));
            }
            Fault::Disconnect { process, which, actions, arrives } => {
                let process = of(process, self);
                self.processes[process].loss = Some((actions, which, arrives));
            }
            Fault::LoseConfirm => self.armed.lose_confirm = true,
            Fault::RepeatConfirm => self.armed.repeat_confirm = true,
            Fault::Duplicate { deliveries } => self.broker.duplicate = deliveries,
            Fault::Reorder { deliveries } => self.broker.reorder = deliveries,
            Fault::Delay { millis } => self.armed.delay = Duration::from_millis(millis),
            Fault::DropAck { millis } => self.armed.drop_ack = Some(millis),
            Fault::Refuse { queue, publishes } => {
                if let Some(name) = self.pick_queue(queue) {
                    self.broker.refuse(&name, publishes);
                }
            }
            Fault::Wipe => self.wipe(),
            Fault::Delete { queue } => {
                if let Some(name) = self.pick_queue(queue) {
                    self.delete(&name);
                }
            }
            Fault::Expire { queue } => {
                if let Some(name) = self.pick_queue(queue) {
                    self.broker.expire(&name);
                    self.give();
                }
            }
            Fault::Tear { process, place } => {
                let process = self.pick_owner(process);
                self.processes[process].tear = Some(place);
            }
            Fault::Lag { process, millis } => {
                let (process, until) = (self.pick_owner(process), self.now + Duration::from_millis(millis));
                self.processes[process].wire.last_delivered.insert(OWN, until);
            }
            Fault::Rewalk { job, file } => {
                if let Some(id) = self.touch(job, file) {
                    let walks = |process: &Process| matches!(&process.kind, Kind::Producer { job } if *job == id);
                    let process = self.processes.iter().position(walks);
                    let process = process.filter(|&process| self.processes[process].role.is_some());
                    process.into_iter().for_each(|process| self.crash(process, Duration::from_millis(20)));
                }
            }
            Fault::Forge { message } => {
                self.broker.forge(message);
                self.give();
            }
            Fault::KillHolder { millis } => self.armed.kill_holder = Some(millis),
            Fault::LoseLease => self.armed.lose_lease = true,
            Fault::LoseStore => self.lose_store(),
            Fault::Pause { process, millis } => {
                let process = of(process, self);
                self.processes[process].paused_until = self.now + Duration::from_millis(millis);
            }
            Fault::StopClock { process, millis } => {
                let (process, now) = (of(process, self), self.now);
                self.processes[process].stop_clock(now, Duration::from_millis(millis));
            }
            Fault::Touch { job, file } => drop(self.touch(job, file)),
        }
    }

    fn pick_owner(&self, process: usize) -> usize {
        let owners: Vec<usize> = (0..self.processes.len()).filter(|&p| self.processes[p].is_owner()).collect();
        owners[process % owners.len()]
    }

    fn pick_queue(&self, queue: usize) -> Option<String> {
        let names = self.broker.names();
        (!names.is_empty()).then(|| names[queue % names.len()].clone())
    }

    /// From now on nothing goes wrong any more.
    pub fn calm(&mut self) {
        self.armed = Armed { last_confirmed: self.armed.last_confirmed, ..Armed::default() };
        (self.broker.duplicate, self.broker.reorder) = (0, 0);
        for name in self.broker.names() {
            self.broker.refuse(&name, 0);
        }
        let jobs = &mut self.jobs;
        jobs.long.iter_mut().for_each(|(task, runs)| *runs = jobs.runs[task]);
        for process in &mut self.processes {
            (process.crash, process.loss, process.tear) = (None, None, None);
        }
    }

    pub fn crash(&mut self, process: usize, down: Duration) {
        // What was on its way from a process that dies may arrive.
        let arrives = self.random.random_bool(0.5);
        self.hang_up(process, Which::Both, arrives);
        self.processes[process].end();
        if !self.processes[process].is_done() {
            self.plan(process, down, What::Start);
        }
    }

    pub fn exit(&mut self, process: usize) {
        self.hang_up(process, Which::Both, true);
        self.processes[process].end();
        self.processes[process].done = true;
    }

    /// The broker comes back empty.
    fn wipe(&mut self) {
        self.ghosts.clear();
        for process in 0..self.processes.len() {
            self.disconnect(process, Which::Both, false);
        }
        self.broker.wipe();
    }

    pub fn delete(&mut self, name: &str) {
        self.watch.deleted.insert(name.to_owned());
        for to in self.broker.delete(name) {
            let wait = Duration::from_millis(self.random.random_range(1..500));
            self.plan(to.process, wait, What::Resubscribe { epoch: to.epoch, lane: to.lane });
        }
    }

    /// Only while no job of the service has ended: of a job that was reported, no one wants to know
    /// any more.
    fn lose_store(&mut self) {
        let is_service = |process: &usize| matches!(self.processes[*process].kind, Kind::Owner);
        let Some(process) = (0..self.processes.len()).find(is_service) else { return };
        let is_its = |job: &super::jobs::Job| job.runner != Runner::Command;
        if self.jobs.all.iter().any(|job| is_its(job) && self.oracle.finished.contains(&job.id)) {
            return;
        }
        self.crash(process, Duration::from_millis(100));
        lose_store(self.processes[process].store());
        self.oracle.store_lost(&self.jobs, is_its);
    }

    /// A file comes, or goes, in the tree of a digest job.
    fn touch(&mut self, job: usize, file: u32) -> Option<JobId> {
        let is_digest = |job: &&mut super::jobs::Job| {
            matches!(job.spec, shared::job::JobSpec::Digest(_)) && job.runner != Runner::Command
        };
        let mut digests: Vec<_> = self.jobs.all.iter_mut().filter(is_digest).collect();
        let count = digests.len();
        let job = digests.get_mut(job % count.max(1))?;
        job.has_changed = true;
        let name = format!("f{file:03}-");
        match job.tree.iter().position(|file| file.name.starts_with(&name)) {
            Some(at) => {
                let gone = job.tree.remove(at);
                job.stayed.retain(|file| *file != gone);
            }
            None => job.tree.push(File::new(file, Fate::Good)),
        }
        job.tree.sort();
        Some(job.id.clone())
    }
}
