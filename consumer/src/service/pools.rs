//! Lanes for users' own workers: they come when an owner announces a job, and go when it is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::limits::{ANNOUNCED_MAX, TROUBLE_CHARS};
use shared::protocol::message::{Announcement, Trouble};
use tokio::sync::mpsc;

use super::lanes::LaneConfig;
use super::{Input, Running};
use crate::engine::{Event, Lane};
use crate::executor::{Executor, own_doers};
use crate::workers::{Announced, Kind, Log, Owner, Ready, Serve, makers};

/// Packs that a consumer takes before it has done them, at least: enough that its slots do not wait
/// for the broker where packs have a few short calls.
const PACKS_TAKEN: u32 = 64;

/// The pools that this process serves.
#[derive(Default)]
pub(super) struct Pools {
    announced: Announced,
    served: BTreeMap<OpeningId, Served>,
    preparations: u64,
    /// Why slots of a pool have no worker.
    failed: BTreeMap<OpeningId, String>,
}

impl Pools {
    /// What heartbeats tell of pools that are not served.
    pub fn troubles(&self) -> Vec<Trouble> {
        let trouble = |(opening, reason): (&OpeningId, &String)| Trouble {
            opening: opening.clone(),
            reason: reason.chars().take(TROUBLE_CHARS).collect(),
        };
        self.failed.iter().take(ANNOUNCED_MAX).map(trouble).collect()
    }
}

struct Served {
    /// Which preparation of the pool it is: an earlier one may still be under way.
    preparation: u64,
    /// The latest version that its owner has announced.
    version: Arc<AtomicU64>,
    /// `None` while its slots make their workers.
    lane: Option<Lane>,
}

/// The slots of a pool, each with a worker.
pub(super) struct Prepared {
    announcement: Announcement,
    preparation: u64,
    executor: Box<dyn Executor>,
    /// Slots with a worker.
    ready: u32,
    /// Why one of the others has none.
    failed: Option<String>,
}

impl Running {
    pub(super) async fn announced(&mut self, announcement: Announcement) {
        let kind = self.config.workers.kind(&announcement.worker);
        let serve = self.pools.announced.hear(&announcement, kind.is_some(), self.clock.now());
        let opening = &announcement.opening;
        if announcement.is_over {
            self.pools.failed.remove(opening);
        }
        match (serve, kind) {
            (Serve::Begin, Some(kind)) => self.begin(announcement, kind),
            (Serve::Update, _) => self.nudge(opening, announcement.version),
            (Serve::End, _) => self.leave(&opening.clone()).await,
            (Serve::Full, _) => {
                let job = &announcement.job;
                tracing::warn!(%job, "This consumer serves too many pools already, and leaves this one to others.");
            }
            (Serve::AsBefore | Serve::Begin, _) => {}
        }
    }

    /// Makes the workers of a pool in the background: that may take long.
    fn begin(&mut self, announcement: Announcement, kind: Arc<Kind>) {
        let Announcement { job, opening, owner, worker, codec, .. } = announcement.clone();
        if kind.codec != codec {
            let ours = &kind.codec;
            let reason = format!("worker {worker:?} of this consumer has values as {ours}, and the pool's are {codec}");
            return self.not_served(job, opening, reason);
        }
        let version = Arc::new(AtomicU64::new(announcement.version));
        self.pools.preparations += 1;
        let preparation = self.pools.preparations;
        self.pools.served.insert(opening.clone(), Served { preparation, version: Arc::clone(&version), lane: None });
        let (transport, runtime) = (Arc::clone(&self.transport), tokio::runtime::Handle::current());
        let source = Owner { transport, runtime, owner, job: job.clone(), opening: opening.clone(), asker: None };
        let log = Arc::new(Log::new(Box::new(source)));
        let (ready, mut heard) = mpsc::unbounded_channel::<Ready>();
        let consumer = self.engine.id().to_string();
        let make = makers(kind, log, self.host.clone(), consumer, version, ready);
        let executor = match make.and_then(|make| own_doers("call", self.config.slots, make, self.sink())) {
            Ok(executor) => Box::new(executor),
            Err(error) => {
                self.forget_pool(&opening);
                return self.not_served(job, opening, error.to_string());
            }
        };
        let inputs = self.inputs.clone();
        self.listeners.spawn(async move {
            let (mut slots, mut failed) = (0, None);
            for _ in 0..executor.slots() {
                match heard.recv().await {
                    Some(Ok(())) => slots += 1,
                    Some(Err(error)) => failed = Some(error),
                    None => break,
                }
            }
            let _ = inputs.send(Input::Prepared(Box::new(Prepared {
                announcement,
                preparation,
                executor,
                ready: slots,
                failed,
            })));
        });
    }

    /// Opens the lane of a pool whose slots are ready. If none is, its next announcement tries
    /// again.
    pub(super) async fn prepared(&mut self, prepared: Prepared) {
        let Prepared { announcement, preparation, executor, ready, failed } = prepared;
        let Announcement { job, opening, workload, class, .. } = announcement;
        let is_wanted = self.pools.served.get(&opening).is_some_and(|served| served.preparation == preparation);
        if !is_wanted {
            // The pool was left meanwhile, and may be prepared anew.
            tokio::task::spawn_blocking(move || executor.close());
            return;
        }
        match failed {
            Some(reason) if ready == 0 => self.not_served(job, opening.clone(), reason),
            // The other slots serve it.
            Some(reason) => tracing::error!(%job, reason, "A slot of this consumer has no worker for a pool."),
            None => drop(self.pools.failed.remove(&opening)),
        }
        if ready == 0 {
            self.forget_pool(&opening);
            tokio::task::spawn_blocking(move || executor.close());
            // Its owner hears at once why.
            self.tell(Event::HeartbeatDue).await;
            return;
        }
        // The pool sends two packs for each slot, and more only of short ones.
        let slots = executor.slots();
        let taken = slots.saturating_mul(2).max(PACKS_TAKEN);
        let (prefetch, ahead) = (u16::try_from(taken).unwrap_or(u16::MAX), taken - slots);
        let config = LaneConfig { ahead, prefetch, ..LaneConfig::new(workload, class, slots) };
        let lane = self.open_with(config, executor, None, None).await;
        if let Some(served) = self.pools.served.get_mut(&opening) {
            served.lane = Some(lane);
        }
        // There may have been an update meanwhile.
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.nudge();
        }
    }

    fn nudge(&mut self, opening: &OpeningId, version: u64) {
        let Some(served) = self.pools.served.get(opening) else { return };
        served.version.fetch_max(version, Ordering::Relaxed);
        if let Some(lane) = served.lane.and_then(|lane| self.lanes.get_mut(&lane)) {
            lane.nudge();
        }
    }

    fn not_served(&mut self, job: JobId, opening: OpeningId, reason: String) {
        tracing::error!(%job, reason, "Slots of this consumer have no worker for a pool.");
        self.pools.failed.insert(opening, reason);
    }

    async fn leave(&mut self, opening: &OpeningId) {
        self.pools.failed.remove(opening);
        if let Some(lane) = self.pools.served.remove(opening).and_then(|served| served.lane) {
            self.tell(Event::LaneClosed { lane }).await;
        }
    }

    fn forget_pool(&mut self, opening: &OpeningId) {
        self.pools.announced.forget(opening);
        self.pools.served.remove(opening);
    }

    /// Leaves the pools whose owners were not heard for a while.
    pub(super) async fn leave_silent(&mut self) {
        for opening in self.pools.announced.silent(self.clock.now()) {
            self.leave(&opening).await;
        }
    }
}
