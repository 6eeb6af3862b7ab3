//! A slot of a pool: keeps one worker, brings it up to the version that a task needs, and does the
//! task's calls.
//!
//! Invariant: a worker handles each update once and in order, or begins at one that replaces those
//! before it. One that fails to handle an update is replaced by a new one, which begins again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::protocol::message::Task;
use shared::protocol::payload::Payload;
use shared::protocol::workload::call::{Pack, Slot};
use shared::system::threads::NoThread;
use tokio::sync::mpsc::UnboundedSender;

use super::desk::Desk;
use super::instance::{Instance, Kind};
use super::updates::Log;
use super::watch::Watch;
use crate::executor::{Doer, Maker};
use crate::work::{Context, WorkError};

/// Workers that a slot makes, one after the other, before it gives up for now.
const TRIES: u32 = 3;

/// A slot has a worker now, or why it has none.
pub(crate) type Ready = Result<(), String>;

/// Makes the slots of a pool. `version` is the latest that its owner has announced; `ready` hears
/// once of each slot.
pub(crate) fn makers(
    kind: Arc<Kind>,
    log: Arc<Log>,
    host: String,
    consumer: String,
    version: Arc<AtomicU64>,
    ready: UnboundedSender<Ready>,
) -> Result<Maker, NoThread> {
    let watch = Watch::start()?;
    Ok(Box::new(move |number| {
        Box::new(CallSlot {
            kind: Arc::clone(&kind),
            log: Arc::clone(&log),
            slot: Slot { host: host.clone(), consumer: consumer.clone(), number },
            version: Arc::clone(&version),
            worker: None,
            ready: Some(ready.clone()),
            desk: watch.desk(),
            watch: Arc::clone(&watch),
        })
    }))
}

struct CallSlot {
    kind: Arc<Kind>,
    log: Arc<Log>,
    slot: Slot,
    version: Arc<AtomicU64>,
    /// With the version that it has handled.
    worker: Option<(Box<dyn Instance>, u64)>,
    ready: Option<UnboundedSender<Ready>>,
    desk: Arc<Desk>,
    watch: Arc<Watch>,
}

impl CallSlot {
    /// Makes a worker if there is none, and has it handle the updates up to version `need`.
    fn reach(&mut self, need: u64) -> Result<(), String> {
        let mut failed = String::new();
        for _ in 0..TRIES {
            match self.try_to_reach(need) {
                Ok(()) => return Ok(()),
                Err(Unreached::Worker(error)) => {
                    self.worker = None;
                    tracing::warn!(slot = %self.slot, error, "A worker is replaced by a new one.");
                    failed = error;
                }
                Err(Unreached::Owner(error)) => return Err(error),
            }
        }
        Err(failed)
    }

    fn try_to_reach(&mut self, need: u64) -> Result<(), Unreached> {
        if self.worker.is_none() {
            let init = self.log.init(self.slot.number).map_err(Unreached::Owner)?;
            let worker = self.kind.make(&init, self.slot.clone());
            let failed = |error| Unreached::Worker(format!("the worker cannot begin: {error}"));
            self.worker = Some((worker.map_err(failed)?, 0));
        }
        while let Some((worker, at)) = self.worker.as_mut().filter(|(_, at)| *at < need) {
            for update in self.log.after(*at, need).map_err(Unreached::Owner)? {
                let version = update.version;
                let failed = |error| Unreached::Worker(format!("the worker cannot handle update {version}: {error}"));
                worker.update(&update.body).map_err(failed)?;
                *at = version;
            }
            self.log.handled(self.slot.number, *at);
        }
        Ok(())
    }
}

/// Why a slot has not the version that it needs.
enum Unreached {
    /// The worker failed.
    Worker(String),
    /// The owner did not give it.
    Owner(String),
}

impl Doer for CallSlot {
    fn work(&mut self, task: &Task, context: Context<'_>) -> Result<Payload, WorkError> {
        let pack = Pack::parse(&task.body)?;
        self.reach(pack.need).map_err(WorkError::failed)?;
        let Some((worker, at)) = &mut self.worker else { return Err(WorkError::failed("the slot has no worker")) };
        if self.desk.begin(&pack, *at, context.early) {
            self.watch.begun();
        }
        let mut result = Vec::new();
        for call in &pack.calls {
            if (context.cancelled)() {
                return Err(WorkError::failed("cancelled"));
            }
            result.clear();
            let done = worker.run(call, &mut result);
            if !self.desk.done(done.map(|()| &result[..])) {
                break;
            }
        }
        Ok(self.desk.end())
    }

    fn catch_up(&mut self) {
        let reached = self.reach(self.version.load(Ordering::Relaxed));
        if let Err(error) = &reached {
            tracing::warn!(slot = %self.slot, error, "A worker has not got its updates; it is tried again.");
        }
        if let Some(ready) = self.ready.take() {
            // Whoever opens the lane may have stopped waiting.
            let _ = ready.send(reached);
        }
    }
}
