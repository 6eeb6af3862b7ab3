//! What faults do to the world.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rand::RngExt;
use shared::protocol::id::JobId;

use super::faults::{Fault, Which};
use super::jobs::{Fate, File, Runner};
use super::owner::{OWN, beside, lose_store};
use super::processes::{Kind, Process};
use super::role::Alarm;
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
    /// A copy of the service's store: the database and its log.
    pub copy: Option<[Vec<u8>; 2]>,
}

/// Whether a job is the service's.
fn is_its(job: &super::jobs::Job) -> bool {
    job.runner != Runner::Command
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
                let process = self.pick(process, Process::is_owner);
                self.processes[process].tear = Some(place);
            }
            Fault::Lag { process, millis } => {
                let until = self.now + Duration::from_millis(millis);
                let process = self.pick(process, Process::is_owner);
                self.processes[process].wire.hold_back(OWN, until);
            }
            Fault::Rewalk { job, file } => self.rewalk(job, file),
            Fault::Forge { message } => {
                self.broker.forge(message);
                self.give();
            }
            Fault::Stray { message } => self.stray(message),
            Fault::CloseLane { process, lane, millis } => {
                let process = self.pick(process, Process::consumes);
                self.plan(process, Duration::ZERO, What::Alarm(Alarm::CloseLane { lane, millis }));
            }
            Fault::KillHolder { millis } => self.armed.kill_holder = Some(millis),
            Fault::LoseLease => self.armed.lose_lease = true,
            Fault::LoseStore => self.lose_store(),
            Fault::CopyStore => self.copy_store(),
            Fault::OldStore => self.take_older_store(),
            Fault::Pause { process, millis } => {
                let (process, until) = (of(process, self), self.now + Duration::from_millis(millis));
                self.processes[process].pause(until);
            }
            Fault::StopClock { process, millis } => {
                let (process, now) = (of(process, self), self.now);
                self.processes[process].stop_clock(now, Duration::from_millis(millis));
            }
            Fault::Touch { job, file } => drop(self.touch(job, file)),
            Fault::Edit { job, file } => self.edit(job, file),
        }
    }

    /// A file changes, and its producer starts anew.
    fn rewalk(&mut self, job: usize, file: u32) {
        let Some(id) = self.touch(job, file) else { return };
        let walks = |process: &Process| matches!(&process.kind, Kind::Producer { job } if *job == id);
        let process = self.processes.iter().position(walks);
        let process = process.filter(|&process| self.processes[process].role.is_some());
        process.into_iter().for_each(|process| self.crash(process, Duration::from_millis(20)));
    }

    /// A copy of a task gets into the queue of other tasks.
    fn stray(&mut self, message: usize) {
        self.broker.stray(message, &super::processes::queues());
        self.give();
    }

    fn pick(&self, process: usize, is_one: fn(&Process) -> bool) -> usize {
        let all: Vec<usize> = (0..self.processes.len()).filter(|&p| is_one(&self.processes[p])).collect();
        all[process % all.len()]
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

    fn service(&self) -> Option<usize> {
        (0..self.processes.len()).find(|&process| matches!(self.processes[process].kind, Kind::Owner))
    }

    /// Ends the service, and takes its store away. Only while no job of it has ended: of a job that was reported, no
    /// one wants to know any more.
    fn take_store(&mut self) -> Option<PathBuf> {
        let process = self.service()?;
        if self.jobs.all.iter().any(|job| is_its(job) && self.oracle.finished.contains(&job.id)) {
            return None;
        }
        self.crash(process, Duration::from_millis(100));
        lose_store(self.processes[process].store());
        Some(self.processes[process].store().to_owned())
    }

    fn lose_store(&mut self) {
        if self.take_store().is_some() {
            self.oracle.store_lost(&self.jobs, is_its);
        }
    }

    fn copy_store(&mut self) {
        let Some(process) = self.service() else { return };
        let path = self.processes[process].store();
        let files = [fs::read(path), fs::read(beside(path, "-wal"))];
        if let [Ok(database), Ok(log)] = files {
            self.armed.copy = Some([database, log]);
            self.oracle.store_copied();
        }
    }

    fn take_older_store(&mut self) {
        let Some([database, log]) = self.armed.copy.clone() else { return };
        let Some(path) = self.take_store() else { return };
        fs::write(&path, database).expect("written");
        fs::write(beside(&path, "-wal"), log).expect("written");
        let own: Vec<JobId> = self.jobs.all.iter().filter(|job| is_its(job)).map(|job| job.id.clone()).collect();
        self.oracle.store_is_older(|job| own.contains(job));
    }

    fn pick_digest(&mut self, job: usize) -> Option<&mut super::jobs::Job> {
        let is_digest = |job: &&mut super::jobs::Job| {
            matches!(job.spec, shared::protocol::job::JobSpec::Digest(_)) && job.runner != Runner::Command
        };
        let mut digests: Vec<_> = self.jobs.all.iter_mut().filter(is_digest).collect();
        let count = digests.len();
        (count > 0).then(|| digests.swap_remove(job % count))
    }

    /// A file of a digest job is written anew; its size may be the same.
    fn edit(&mut self, job: usize, file: u32) {
        let now = self.now;
        let Some(job) = self.pick_digest(job) else { return };
        let good: Vec<_> = job.tree.iter_mut().filter(|file| file.fate() == Fate::Good).collect();
        let count = good.len();
        if let Some(edited) = good.into_iter().nth(file as usize % count.max(1)) {
            job.gone.insert(edited.clone());
            edited.modified = i64::try_from(now.as_nanos()).expect("it is before 2262") + i64::from(file % 2);
            job.changed_at = Some(now);
        }
    }

    /// A file comes, or goes, in the tree of a digest job.
    fn touch(&mut self, job: usize, file: u32) -> Option<JobId> {
        let now = self.now;
        let job = self.pick_digest(job)?;
        job.changed_at = Some(now);
        let name = format!("f{file:03}-");
        match job.tree.iter().position(|file| file.name.starts_with(&name)) {
            Some(at) => {
                let gone = job.tree.remove(at);
                job.stayed.retain(|file| file.name != gone.name);
                job.gone.insert(gone);
            }
            None => job.tree.push(File::new(file, Fate::Good)),
        }
        job.tree.sort();
        Some(job.id.clone())
    }
}
