//! The processes of a run: what they are, and what waits to happen to them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::protocol::id::{Class, JobId};
use shared::protocol::topology;
use shared::protocol::workload::{Workload, steps};
use shared::system::clock::Moment;

use super::consumer::ConsumerRole;
use super::deeds::Deed;
use super::faults::Which;
use super::jobs::{Job, Runner, class};
use super::operator::OperatorRole;
use super::owner::{OwnerRole, OwnerSetup};
use super::producer::ProducerRole;
use super::role::Role;
use super::wire::Wire;
use super::work::Sight;

/// What a process is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// The reducer service.
    Owner,
    /// A command with its job.
    Command {
        job: JobId,
    },
    Consumer {
        /// Tasks that run at a time in all lanes that use cores.
        cores: u32,
        serves: Vec<(Workload, Class)>,
        sight: Sight,
    },
    /// A producer or a rider.
    Producer {
        job: JobId,
    },
    Operator {
        job: JobId,
        deed: Deed,
    },
}

/// What consumers serve, together all there is to do.
pub(super) fn served() -> Vec<(Workload, Class)> {
    let of = |workload| match workload {
        // Its lanes come with its jobs.
        Workload::Call => None,
        Workload::Steps => Some((workload, steps::class())),
        Workload::Digest | Workload::Words => Some((workload, class())),
    };
    Workload::ALL.into_iter().filter_map(of).collect()
}

/// The queues that tasks wait in.
pub(super) fn queues() -> Vec<String> {
    served().iter().map(|(workload, class)| topology::tasks(*workload, class).0.name).collect()
}

/// A process, and the ones that take its place.
pub(super) struct Process {
    pub name: String,
    pub kind: Kind,
    /// Grows with each that takes its place.
    pub generation: u64,
    /// `None` while none runs.
    pub role: Option<Box<dyn Role>>,
    pub wire: Wire,
    /// Whether it has done what it was started for.
    pub done: bool,
    pub paused_until: Moment,
    /// It dies after so many actions of its next step, for so many milliseconds.
    pub crash: Option<(usize, u64)>,
    /// It loses its connection after so many actions of its next step.
    pub loss: Option<(usize, Which, bool)>,
    /// Its next commit is torn.
    pub tear: Option<u64>,
    /// Its clock stands still between these.
    stopped: Option<(Moment, Moment)>,
    /// By how much its clock is behind.
    lag: Duration,
    store: PathBuf,
    window: usize,
}

impl Process {
    pub fn new(name: String, kind: Kind, directory: &Path, window: usize) -> Self {
        Self {
            store: directory.join(format!("{name}.sqlite")),
            name,
            kind,
            generation: 0,
            role: None,
            wire: Wire::default(),
            done: false,
            paused_until: Moment::ZERO,
            crash: None,
            loss: None,
            tear: None,
            stopped: None,
            lag: Duration::ZERO,
            window,
        }
    }

    pub fn start(&mut self, seed: u64) {
        let owner = |owner, command| {
            let setup = OwnerSetup { owner, path: self.store.clone(), window: self.window, command };
            Box::new(OwnerRole::new(setup, seed % 1_000))
        };
        self.role = Some(match self.kind.clone() {
            Kind::Owner => owner(super::jobs::owner(), None),
            Kind::Command { job } => owner(super::jobs::command_owner(), Some(job)),
            Kind::Consumer { cores, serves, sight } => {
                Box::new(ConsumerRole::new(self.name.clone(), cores, serves, sight))
            }
            Kind::Producer { job } => Box::new(ProducerRole::new(job)),
            Kind::Operator { job, deed } => Box::new(OperatorRole::new(job, deed)),
        });
    }

    /// Its process is gone, with all that it had in memory.
    pub fn end(&mut self) {
        self.generation += 1;
        self.role = None;
        let (publishing, consuming) =
            (std::mem::take(&mut self.wire.publishing), std::mem::take(&mut self.wire.consuming));
        self.wire = Wire { publishing, consuming, ..Wire::default() };
        (self.stopped, self.lag) = (None, Duration::ZERO);
        (self.crash, self.loss) = (None, None);
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether it runs for ever.
    pub fn serves(&self) -> bool {
        matches!(self.kind, Kind::Owner | Kind::Consumer { .. })
    }

    pub fn consumes(&self) -> bool {
        matches!(self.kind, Kind::Consumer { .. })
    }

    pub fn is_owner(&self) -> bool {
        matches!(self.kind, Kind::Owner | Kind::Command { .. })
    }

    pub fn owns(&self, job: &Job) -> bool {
        match &self.kind {
            Kind::Owner => job.runner != Runner::Command,
            Kind::Command { job: own } => *own == job.id,
            _ => false,
        }
    }

    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Whoever is paused longer already stays so: what waits for it keeps its order.
    pub fn pause(&mut self, until: Moment) {
        self.paused_until = self.paused_until.max(until);
    }

    pub fn stop_clock(&mut self, now: Moment, duration: Duration) {
        self.clock(now);
        if self.stopped.is_none() {
            self.stopped = Some((now, now + duration));
        }
    }

    /// The time as it has it.
    pub fn clock(&mut self, now: Moment) -> Moment {
        if let Some((from, until)) = self.stopped {
            if now < until {
                return from - self.lag;
            }
            self.lag += until - from;
            self.stopped = None;
        }
        now - self.lag
    }
}
