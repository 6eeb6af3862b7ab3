//! The ledger wired to a transport: one thread for the ledger, a few tasks for the rest.
//!
//! Inputs reach the ledger's thread through one bounded channel; while it commits, more of them
//! gather, and the next turn takes them all (group commit). Effects leave through another.

mod claim;
mod deliveries;
mod handle;
mod inbox;
mod name;
mod namesake;
mod opening;
mod outbox;
mod progress;
mod queues;
mod replying;
mod reporting;
mod requests;
#[cfg(test)]
mod tests;
mod turns;
mod under_way;
mod wiring;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use shared::protocol::id::{JobId, OpeningId, OwnerId};
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::message::Session;
use shared::protocol::topology;
use shared::system::clock::Clock;
use shared::system::random;
use shared::system::shutdown::Shutdown;
use shared::system::threads::NoThread;
use shared::transport::{Subscribe, Transport, TransportError};
use tokio::sync::{mpsc, watch};

use crate::ledger::Ledger;
use crate::owner::Config;
use crate::store::StoreError;

use claim::Claim;
pub use handle::{Handle, OpenError};
pub use inbox::read;
use name::Name;
pub use opening::Opening;
pub use progress::Progress;
use replying::Replying;
use under_way::UnderWay;

/// What kind of owner it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A reducer service: its queue outlives it.
    Service {
        /// Each finished job's report is written there as `NAME.txt`, and how often each word occurs, if that
        /// was asked for, as `NAME.frequencies`. The name is the job's id, unless its producer gave another.
        /// A report replaces that of an earlier job of the same name.
        output_dir: Option<PathBuf>,
    },
    /// A command that submits and waits: its queue ends with its connection, and it writes the
    /// report of its one job itself.
    Command {
        /// What its job is, so that the queues of its tasks are declared with all else.
        spec: Box<JobSpec>,
    },
}

/// What an owner is told.
#[derive(Debug)]
pub struct ServiceConfig {
    /// Its store.
    pub store: Opening,
    /// What kind of owner it is.
    pub kind: Kind,
    /// Unanswered tasks of one job, at least; see [`limits::WINDOW_MIN`].
    pub window: Option<usize>,
    /// Between two heartbeats of a consumer.
    pub heartbeat: std::time::Duration,
}

impl ServiceConfig {
    fn engine(&self, owner: OwnerId) -> Config {
        let mut engine = Config::new(owner);
        engine.heartbeat = self.heartbeat;
        engine.window_min = self.window.unwrap_or(engine.window_min);
        engine.window_per_slot = if self.window.is_some() { 0 } else { engine.window_per_slot };
        engine.seed = random::seed();
        engine.dispatches_on_open = matches!(self.kind, Kind::Command { .. });
        engine
    }
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
    /// The ledger has no thread.
    #[error(transparent)]
    Thread(#[from] NoThread),
    /// Another one has its name.
    #[error(
        "a reducer {owner} is running already{}. Stop it, ask it (packhorse jobs), or give this one another --owner",
        .session.as_ref().map(|session| format!(" ({session})")).unwrap_or_default()
    )]
    Running {
        /// The name.
        owner: OwnerId,
        /// Which process it is, if it says so.
        session: Option<Box<Session>>,
    },
    /// Another one has taken its name.
    #[error(
        "another reducer {owner} answers: {other}. It started later, when this one did not answer, so this one ends. \
         To go on with this one's store instead, stop the other one first; what was asked of that since is in its store"
    )]
    Superseded {
        /// The name.
        owner: OwnerId,
        /// Which process it is.
        other: String,
    },
    /// Another one writes its reports there.
    #[error(
        "the output directory {} is in use by {holder}: of two that write there, one would replace the other's \
         reports. Stop it, or give this one another --output-dir",
        .directory.display()
    )]
    Claimed {
        /// The directory.
        directory: PathBuf,
        /// Who that is.
        holder: String,
    },
    /// Its output directory cannot be kept for it alone.
    #[error("cannot use the output directory: {}: {cause}", .path.display())]
    OutputDir {
        /// The file that is to be locked.
        path: PathBuf,
        /// What the system said.
        cause: Arc<std::io::Error>,
    },
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
    mut config: ServiceConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<Handle, ServiceError> {
    let clock = Clock::start();
    let spec = if let Kind::Command { spec } = &config.kind { Some(spec.clone()) } else { None };
    let mut topology = topology::shared();
    spec.iter().for_each(|spec| topology.extend(queues::of(spec)));
    let (store, declared) = tokio::join!(config.store.store(), transport.declare(&topology));
    let (store, ()) = (store?, declared?);
    let owner = store.owner().clone();
    let name = Name::new(store.id().clone(), clock.system());
    let claim = Claim::of(&config.kind, &owner, &name.session)?;
    if matches!(config.kind, Kind::Service { .. }) && !transport.is_ephemeral() {
        requests::refuse_second(&transport, &owner).await?;
    }
    let engine = Config { queues_end: transport.is_ephemeral(), ..config.engine(owner.clone()) };
    let (path, heartbeat) = (store.path().to_owned(), config.heartbeat);
    let is_command = matches!(config.kind, Kind::Command { .. });
    // What a command's queue held is gone with the process that had it.
    let is_fresh = transport.is_ephemeral() || is_command;
    let (ledger, actions) = Ledger::new(engine, store, clock.now(), is_fresh)?;
    // What a job of an earlier process sends now must find its queue: no consumer may have come yet.
    for spec in ledger.owner().open_specs() {
        queues::declare(&transport, spec).await?;
    }

    let (inbox, inputs) = mpsc::channel(INBOX);
    // Bounded by what it carries: tasks by the window, acks by the prefetch, replies by requests.
    let (outbox, outputs) = mpsc::unbounded_channel();
    let (progress, progressed) = watch::channel(progress::Progress::default());
    let handle = Handle::new(owner, path, inbox.clone(), progressed, Arc::clone(&transport), spec);
    let wiring = Arc::new(wiring::Wiring {
        transport: Arc::clone(&transport),
        clock,
        owner: handle.owner().clone(),
        store: handle.store_path().to_owned(),
        kind: config.kind,
        inbox: inbox.clone(),
        progress,
        deliveries: deliveries::Deliveries::default(),
        replies: handle.replies(),
        replying: Replying::default(),
        listening: watch::Sender::new(false),
        looking: UnderWay::default(),
        opening: UnderWay::default(),
        reporting: Mutex::default(),
        _claim: claim,
        name,
    });
    for action in actions {
        let _ = outbox.send(action);
    }
    turns::spawn(ledger, clock, inputs, outbox, Arc::clone(&wiring))?;
    outbox::spawn(outputs, Arc::clone(&wiring));
    if is_command {
        // Its plan need not wait for the queues, only its tasks: an outcome must find its queue.
        tokio::spawn(listen_unless_stopped(wiring, shutdown.clone()));
    } else if let Err(error) = listen(&wiring, &shutdown).await {
        wiring.stop().await;
        return Err(error.into());
    } else {
        tokio::spawn(namesake::keep_saying(wiring, heartbeat, shutdown.clone()));
    }
    tokio::spawn(outbox::tick(inbox, shutdown));
    Ok(handle)
}

/// Takes what comes to the owner's own queue and over the control exchange, from now on.
async fn listen(wiring: &Arc<wiring::Wiring>, shutdown: &Shutdown) -> Result<(), TransportError> {
    let (transport, owner) = (&wiring.transport, wiring.owner());
    let is_command = matches!(wiring.kind, Kind::Command { .. });
    let own = if is_command { topology::command_owner(owner) } else { topology::service_owner(owner) };
    let (queue, bindings) = own;
    let own = transport.subscribe(Subscribe { queue, bindings, prefetch: limits::OWNER_PREFETCH });
    let (own, requests) = tokio::try_join!(own, requests::subscribe(transport, owner))?;
    inbox::spawn(own, is_command, Arc::clone(wiring), shutdown.clone());
    requests::spawn(requests, Arc::clone(wiring), shutdown.clone());
    wiring.listening.send_replace(true);
    tokio::spawn(requests::call_consumers(Arc::clone(transport), wiring.clock));
    Ok(())
}

async fn listen_unless_stopped(wiring: Arc<wiring::Wiring>, shutdown: Shutdown) {
    tokio::select! {
        biased;
        () = shutdown.asked() => wiring.stop().await,
        listening = listen(&wiring, &shutdown) => if let Err(error) = listening {
            wiring.fail(error.into()).await;
        },
    }
}

/// The id of a command's owner: it begins with the broker user's name, so that permissions on
/// routing keys can keep submitters apart.
pub fn command_owner_id(user: &str) -> OwnerId {
    OwnerId::from_name(format!("{}-{}", shared::protocol::id::encode(user.as_bytes()), random::token()).as_bytes())
}

/// A fresh opening.
fn fresh_opening() -> OpeningId {
    OpeningId::from_name(random::token().as_bytes())
}

/// A fresh job's id.
pub fn fresh_job_id() -> JobId {
    JobId::from_name(random::token().as_bytes())
}
