//! The ledger wired to a transport: one thread for the ledger, a few tasks for the rest.
//!
//! Inputs reach the ledger's thread through one bounded channel; while it commits, more of them
//! gather, and the next turn takes them all (group commit). Effects leave through another.

mod control;
mod handle;
mod inbox;
mod outbox;
#[cfg(test)]
mod tests;
mod turns;

use std::path::PathBuf;
use std::sync::Arc;

use shared::clock::Clock;
use shared::id::{JobId, OwnerId};
use shared::shutdown::Shutdown;
use shared::topology;
use shared::transport::{Subscribe, Transport, TransportError};
use shared::{limits, random};
use tokio::sync::{mpsc, watch};

use crate::ledger::Ledger;
use crate::owner::Config;
use crate::store::{Place, Store, StoreError};

pub use handle::{Handle, OpenError, Progress};

/// What kind of owner it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A reducer service: its queue outlives it.
    Service {
        /// Each finished job's report is written there as `JOB.txt`, and how often each word occurs, if
        /// that was asked for, as `JOB.frequencies`.
        output_dir: Option<PathBuf>,
    },
    /// A command that submits and waits: its queue ends with its connection, and it writes the
    /// report of its one job itself.
    Command,
}

/// What an owner is told.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Its name, if its store is new.
    pub owner: OwnerId,
    /// Where its store is.
    pub place: Place,
    /// What kind of owner it is.
    pub kind: Kind,
    /// Unanswered tasks of one job, at least; see [`limits::WINDOW_MIN`].
    pub window: Option<usize>,
    /// Between two signs of life of a consumer.
    pub heartbeat: std::time::Duration,
}

/// An owner cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The store failed.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// A report could not be written.
    #[error("{0}")]
    Report(String),
    /// The ledger's thread panicked.
    #[error(
        "the reducer broke; this is a bug, and its message stands above. What was acknowledged is safe in its store"
    )]
    Broken,
    /// Another one has its name.
    #[error("a reducer {0} is running already. Stop it, ask it (packhorse jobs), or give this one another --owner")]
    Running(OwnerId),
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Inputs that wait for the ledger's thread: a few turns' worth.
const INBOX: usize = 1_024;

/// Starts an owner. It runs until `shutdown` is asked for or it fails; see [`Handle::ended`].
pub async fn start(
    config: ServiceConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<Handle, ServiceError> {
    let clock = Clock::start();
    let place = config.place.clone();
    let fallback = config.owner.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&place, || fallback));
    let shared = topology::shared();
    let (store, declared) = tokio::join!(store, transport.declare(&shared));
    let store = store.expect("opening a store does not panic")?;
    declared?;
    let owner = store.owner().clone();
    if matches!(config.kind, Kind::Service { .. }) && !transport.is_ephemeral() {
        control::refuse_second(&transport, &owner).await?;
    }
    let (queue, bindings) = match config.kind {
        Kind::Service { .. } => topology::service_owner(&owner),
        Kind::Command => topology::command_owner(&owner),
    };
    let subscribe =
        |(queue, bindings)| transport.subscribe(Subscribe { queue, bindings, prefetch: limits::OWNER_PREFETCH });
    let (own, requests) = tokio::try_join!(subscribe((queue, bindings)), subscribe(topology::owner_control(&owner)))?;

    let mut engine = Config::new(owner.clone(), store.id().clone());
    engine.heartbeat = config.heartbeat;
    engine.window_min = config.window.unwrap_or(engine.window_min);
    engine.window_per_slot = if config.window.is_some() { 0 } else { engine.window_per_slot };
    engine.seed = random::seed();
    let path = store.path().to_owned();
    let is_command = config.kind == Kind::Command;
    // What a command's queue held is gone with the process that had it.
    let is_fresh = transport.is_ephemeral() || is_command;
    let (ledger, actions) = Ledger::new(engine, store, clock.now(), is_fresh)?;
    // What a job of an earlier process sends now must find its queue: no consumer may have come yet.
    for spec in ledger.owner().open_specs() {
        outbox::declare_classes(&transport, spec).await?;
    }

    let (inbox, inputs) = mpsc::channel(INBOX);
    // Bounded by what it carries: tasks by the window, acks by the prefetch, replies by requests.
    let (outbox, outputs) = mpsc::unbounded_channel();
    let (progress, progressed) = watch::channel(handle::Progress::default());
    let handle = Handle::new(owner, path, inbox.clone(), progressed, Arc::clone(&transport));
    let wiring = Arc::new(outbox::Wiring {
        transport: Arc::clone(&transport),
        clock,
        owner: handle.owner().clone(),
        store: handle.store_path().to_owned(),
        kind: config.kind,
        inbox: inbox.clone(),
        progress,
        deliveries: inbox::Deliveries::default(),
        replies: handle.replies(),
    });
    for action in actions {
        let _ = outbox.send(action);
    }
    turns::spawn(ledger, clock, inputs, outbox, Arc::clone(&wiring));
    inbox::spawn(own, is_command, Arc::clone(&wiring), shutdown.clone());
    control::spawn(requests, Arc::clone(&wiring), shutdown.clone());
    outbox::spawn(outputs, Arc::clone(&wiring));
    tokio::spawn(outbox::tick(inbox, shutdown));
    control::call_consumers(&transport, clock).await?;
    Ok(handle)
}

/// The id of a command's owner: it begins with the broker user's name, so that permissions on
/// routing keys can keep submitters apart.
pub fn command_owner_id(user: &str) -> OwnerId {
    OwnerId::from_name(format!("{}-{}", shared::id::encode(user.as_bytes()), random::token()).as_bytes())
}

/// A fresh job's id.
pub fn fresh_job_id() -> JobId {
    JobId::from_name(random::token().as_bytes())
}
