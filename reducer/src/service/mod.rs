//! The ledger wired to a transport: one thread for the ledger, and a few async tasks around it.
//!
//! Inputs reach the ledger's thread through one bounded channel. While the ledger commits, more
//! inputs gather, and the next turn takes them all (group commit). Effects leave through another
//! channel.

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
pub use progress::Streamed;
use replying::Replying;
use under_way::UnderWay;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A reducer service. Its queue outlives the process.
    Service {
        /// Directory for the reports of finished jobs: `NAME.txt` and, if there is one, the side
        /// report. The name is the job's id unless its producer gave another. A report replaces
        /// that of an earlier job of the same name.
        output_dir: Option<PathBuf>,
    },
    /// A command that submits one job and waits for it. Its queue ends with its connection, and it
    /// writes the job's report itself.
    Command {
        /// The job's spec, so that the queues of its tasks are declared with the others at the
        /// start.
        spec: Box<JobSpec>,
    },
}

/// The settings of an owner that runs as a service or in a command.
#[derive(Debug)]
pub struct ServiceConfig {
    pub store: Opening,
    pub kind: Kind,
    /// Unanswered tasks that one job may have out; `None` for the default, see
    /// [`limits::WINDOW_MIN`].
    pub window: Option<usize>,
    /// Heartbeat interval of a consumer.
    pub heartbeat: std::time::Duration,
    /// How long a job is kept after its report was written; `None`: for ever.
    pub keep: Option<std::time::Duration>,
}

impl ServiceConfig {
    fn engine(&self, owner: OwnerId) -> Config {
        let mut engine = Config::new(owner);
        (engine.heartbeat, engine.keep) = (self.heartbeat, self.keep);
        engine.window_min = self.window.unwrap_or(engine.window_min);
        engine.window_per_slot = if self.window.is_some() { 0 } else { engine.window_per_slot };
        engine.seed = random::seed();
        engine.dispatches_on_open = matches!(self.kind, Kind::Command { .. });
        engine
    }
}

/// An owner has stopped because of an error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("{0}")]
    Store(Arc<StoreError>),
    #[error("{0}")]
    Report(String),
    #[error(
        "the reducer panicked; this is a bug, and the panic message is printed above. What was acknowledged is safe in \
         its store"
    )]
    Broken,
    /// The ledger's thread could not be started.
    #[error(transparent)]
    Thread(#[from] NoThread),
    /// Another process has the owner's name.
    #[error(
        "a reducer {owner} is running already{}. Stop it, ask it (packhorse jobs), or give this one another --owner",
        .session.as_ref().map(|session| format!(" ({session})")).unwrap_or_default()
    )]
    Running {
        owner: OwnerId,
        /// The other process; `None` if it is of an older version that does not say.
        session: Option<Box<Session>>,
    },
    /// Another process has taken the owner's name.
    #[error(
        "another reducer {owner} answers: {other}. It started later, when this one did not answer, so this one ends. \
         To continue with this one's store instead, stop the other one first; what the other one has received since is \
         in its own store"
    )]
    Superseded { owner: OwnerId, other: String },
    /// Another process writes its reports into the output directory.
    #[error(
        "the output directory {} is in use by {holder}: of two that write there, one would replace the other's \
         reports. Stop it, or give this one another --output-dir",
        .directory.display()
    )]
    Claimed { directory: PathBuf, holder: String },
    /// The output directory cannot be locked.
    #[error("cannot use the output directory: {}: {cause}", .path.display())]
    OutputDir {
        /// The lock file.
        path: PathBuf,
        cause: Arc<std::io::Error>,
    },
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Inputs that may wait for the ledger's thread: enough for a few turns.
const INBOX: usize = 1_024;

/// Starts an owner. It runs until `shutdown` is asked for or it fails; see [`Handle::ended`].
pub async fn start(
    mut config: ServiceConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<Handle, ServiceError> {
    let clock = Clock::start();
    let spec = if let Kind::Command { spec } = &config.kind { Some(spec.clone()) } else { None };
    let (topology, later) = queues::at_start(spec.as_deref());
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
    // A command's queue ended with the process that had it, and so did the messages in it.
    let is_fresh = transport.is_ephemeral() || is_command;
    let (ledger, actions) = Ledger::new(engine, store, clock.now(), is_fresh)?;
    // Tasks of unfinished jobs are sent from now on and must find their queues: no consumer may
    // have declared them yet.
    for spec in ledger.owner().open_specs().chain(later) {
        queues::declare(&transport, spec, &owner).await?;
    }

    let (inbox, inputs) = mpsc::channel(INBOX);
    // Bounded by its content: tasks by the window, acks by the prefetch, replies by requests.
    let (outbox, outputs) = mpsc::unbounded_channel();
    let (ended, ending) = watch::channel(None);
    let handle = Handle::new(owner, path, inbox.clone(), ending, Arc::clone(&transport), spec);
    let wiring = Arc::new(wiring::Wiring {
        transport: Arc::clone(&transport),
        clock,
        owner: handle.owner().clone(),
        store: handle.store_path().to_owned(),
        kind: config.kind,
        inbox: inbox.clone(),
        followers: handle.followers(),
        ended,
        deliveries: deliveries::Deliveries::default(),
        replies: handle.replies(),
        replying: Replying::default(),
        listening: watch::Sender::new(false),
        looking: UnderWay::default(),
        declaring: UnderWay::default(),
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
        // Only tasks wait for the owner's queues, because an outcome must find its queue.
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

/// Starts to receive messages from the owner's own queue and the control exchange.
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

/// The id of a command's owner. It begins with the broker user's name, so that permissions on
/// routing keys can separate submitters.
pub fn command_owner_id(user: &str) -> OwnerId {
    OwnerId::from_name(format!("{}-{}", shared::protocol::id::encode(user.as_bytes()), random::token()).as_bytes())
}

fn fresh_opening() -> OpeningId {
    OpeningId::from_name(random::token().as_bytes())
}

pub fn fresh_job_id() -> JobId {
    JobId::from_name(random::token().as_bytes())
}
