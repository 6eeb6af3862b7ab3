//! One connection that is made again whenever it is lost.
//!
//! Each connection's life is an [`Epoch`]. The task that meets an error in an epoch ends the epoch;
//! the next task that needs a connection makes a new one, and other tasks wait for it. So no
//! supervising task is needed, and a loss is noticed only by the tasks that use the connection.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::options::BasicQosOptions;
use lapin::protocol::AMQPErrorKind;
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, Event};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout};

use super::backoff::Backoff;
use super::fault::{Fault, rpc};
use super::session::Session;
use super::tls;
use crate::protocol::limits::{CONFIRM_TIMEOUT, RPC_TIMEOUT};
use crate::protocol::path::printable;
use crate::transport::TransportError;

/// Time limit for closing a connection or channel. The broker cleans up by itself when the socket
/// is closed.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the broker may treat a lost connection as alive: two to three AMQP heartbeats, and the
/// time that a busy broker needs to react.
const LINGER: Duration = CONFIRM_TIMEOUT;

/// Interval of checks whether a connection has closed.
const CLOSE_LOOK: Duration = Duration::from_millis(2);

/// Events that a listener may lag behind, at most.
const EVENTS: usize = 16;

/// Time that the first try always gets, even if the caller's patience is shorter.
const FIRST_TRY: Duration = Duration::from_secs(1);

/// Largest frame, in bytes, on connections that carry only Packhorse's own messages. For each
/// connection the client library fills two buffers of 32 frames with zeros; with the broker's 128
/// KiB per frame a short job would spend as long on that as on everything else. Connections that
/// consume from durable queues keep the broker's limit: an untrusted message there may have headers
/// that need it, and with a lower limit every redelivery of that message would close the
/// connection. An exclusive queue is deleted with its connection, and so is an untrusted message in
/// it.
pub(super) const FRAME_BYTES: u32 = 32 * 1024;

/// Channels that each connection of a role needs: two for subscriptions, one for declarations, and
/// one more if a refused declaration closes its own. Subscriptions to task queues need further
/// ones.
const CHANNELS_MIN: u16 = 4;

pub(super) struct Epoch {
    pub(super) connection: Connection,
    /// Events of the connection and its channels. The client library gives each event to only one
    /// listener, so one task listens and passes the events on here.
    pub(super) events: broadcast::Sender<Event>,
    /// A channel that the last declaration left open for the next one.
    spare: Mutex<Option<Channel>>,
    /// Whether some channel numbers have become unusable; see [`Epoch::channel`].
    has_gaps: AtomicBool,
    over: watch::Sender<bool>,
}

impl Epoch {
    /// Opens a new channel.
    ///
    /// The client library keeps the error of a channel that the broker closed, and returns it for
    /// the next channel with the same number, once all numbers have been used. So a refusal here is
    /// not the broker's; that number is skipped from then on. When no number is left and some were
    /// skipped, the connection counts as lost. If none were skipped, a new connection would have
    /// the same limit, so the error is fatal.
    pub(super) async fn channel(&self) -> Result<Channel, Fault> {
        loop {
            match rpc(self.connection.create_channel()).await {
                Err(Fault::Refused { .. }) if self.connection.status().connected() => {
                    self.has_gaps.store(true, Ordering::Relaxed);
                }
                Err(fault @ Fault::NoChannel) if self.has_gaps.load(Ordering::Relaxed) => {
                    return Err(Fault::Lost(fault.to_string()));
                }
                Err(Fault::NoChannel) => {
                    let limit = self.connection.configuration().channel_max();
                    return Err(Fault::Fatal(too_few_channels(limit, "all are in use")));
                }
                done => return done.map_err(Fault::of_the_connection),
            }
        }
    }

    /// The channel that the last declaration left, or a new one.
    pub(super) async fn spare(&self) -> Result<Channel, Fault> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        match spare.filter(|channel| channel.status().connected()) {
            Some(channel) => Ok(channel),
            None => self.channel().await,
        }
    }

    /// Keeps a channel for the next declaration.
    pub(super) fn keep_spare(&self, channel: Channel) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
    }

    /// Waits until a task has ended the epoch. A lost connection alone does not end it.
    pub(super) async fn over(&self) {
        let _ = self.over.subscribe().wait_for(|&over| over).await;
    }

    /// A blocked connection writes nothing, so closing it would wait as long as the block.
    async fn close(&self) {
        self.over.send_replace(true);
        if !self.connection.status().blocked() {
            let answered = async {
                tokio::select! {
                    biased;
                    _ = self.connection.close(200, "done".into()) => {}
                    () = self.closed() => {}
                }
            };
            let _ = timeout(CLOSE_TIMEOUT, answered).await;
        }
    }

    /// Waits until the connection is closed. The client library (4.12) sometimes loses the broker's
    /// answer to a close: one of 60 closes of a short job waited until its time limit.
    async fn closed(&self) {
        let status = self.connection.status();
        while !status.closed() && !status.errored() {
            tokio::time::sleep(CLOSE_LOOK).await;
        }
    }
}

pub(super) struct Link {
    name: &'static str,
    session: Arc<Session>,
    frame_bytes: Option<u32>,
    /// A connection with fewer channels is refused.
    channels_min: u16,
    current: tokio::sync::Mutex<Option<Arc<Epoch>>>,
    /// When the last epoch ended.
    lost: Mutex<Option<Instant>>,
}

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn new(name: &'static str, session: Arc<Session>) -> Self {
        let (current, lost) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { name, session, frame_bytes: None, channels_min: 1, current, lost }
    }

    /// For a role's link, which needs [`CHANNELS_MIN`] channels.
    pub(super) fn of_a_role(mut self) -> Self {
        self.channels_min = CHANNELS_MIN;
        self
    }

    /// Limits frames to [`FRAME_BYTES`].
    pub(super) fn with_short_frames(mut self) -> Self {
        self.frame_bytes = Some(FRAME_BYTES);
        self
    }

    /// Connects for the first time, until `deadline`.
    pub(super) async fn open(self, deadline: Option<Instant>) -> Result<Self, TransportError> {
        let first = self.first(deadline).await?;
        *self.current.lock().await = Some(first);
        Ok(self)
    }

    async fn first(&self, deadline: Option<Instant>) -> Result<Arc<Epoch>, TransportError> {
        let mut backoff = Backoff::new();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let limit = left.map_or(RPC_TIMEOUT, |left| left.max(FIRST_TRY));
            let fault = match timeout(limit, self.attempt()).await {
                Ok(Ok(epoch)) => return Ok(epoch),
                Ok(Err(fault)) => fault,
                Err(_) => Fault::Lost(format!("no answer within {:.1} s", limit.as_secs_f64())),
            };
            if let Some(error) = self.session.address().refusal(&fault) {
                return Err(error);
            }
            let mut delay = backoff.delay();
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(self.session.address().unreachable(&fault));
                }
                delay = delay.min(left);
            }
            self.session.unreachable(self.name, &fault);
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(&self) -> Result<Arc<Epoch>, Fault> {
        let name = format!("packhorse {} (process {})", self.name, std::process::id());
        let properties = ConnectionProperties::default()
            .with_client_property("product".into(), "packhorse".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
            .with_connection_name(name.into());
        tracing::debug!("making the {} connection to {}", self.name, self.session.address().shown());
        let connection = tls::connect(self.session.address(), self.frame_bytes, properties).await?;
        let limit = connection.configuration().channel_max();
        if (1..self.channels_min).contains(&limit) {
            return Err(Fault::Fatal(too_few_channels(limit, &format!("a role needs at least {}", self.channels_min))));
        }
        self.session.reachable(self.name);
        let events = broadcast::Sender::new(EVENTS);
        tokio::spawn(hear(connection.events_listener(), events.clone(), Arc::clone(&self.session)));
        Ok(Arc::new(Epoch {
            connection,
            events,
            spare: Mutex::default(),
            has_gaps: AtomicBool::new(false),
            over: watch::Sender::new(false),
        }))
    }

    /// The current epoch, or the next one as soon as the broker can be reached. The broker accepted
    /// these credentials before, so this keeps trying even if the broker refuses now: an operator
    /// may fix it.
    pub(super) async fn epoch(&self) -> Result<Arc<Epoch>, TransportError> {
        self.session
            .unless_closed(async {
                let mut current = self.current.lock().await;
                if let Some(epoch) = current.as_ref().filter(|epoch| epoch.connection.status().connected()) {
                    return Ok(Arc::clone(epoch));
                }
                if let Some(lost) = current.take() {
                    self.note_loss();
                    lost.over.send_replace(true);
                    tracing::debug!("the {} connection is lost; connecting again", self.name);
                }
                let mut backoff = Backoff::new();
                loop {
                    match self.attempt().await {
                        Ok(epoch) => return Ok(Arc::clone(current.insert(epoch))),
                        Err(fault) => self.session.unreachable(self.name, &fault),
                    }
                    backoff.wait().await;
                }
            })
            .await
    }

    /// Whether the broker answers on the current connection now; true if no connection was needed
    /// yet. A connection that does not answer is ended, so that its users make a new one.
    pub(super) async fn answers(&self) -> bool {
        let Some(epoch) = self.current.lock().await.clone() else { return true };
        let asked = async {
            let channel = epoch.spare().await?;
            // The channel has no consumers, so this only shows that the broker answers.
            rpc(channel.basic_qos(1, BasicQosOptions::default())).await?;
            epoch.keep_spare(channel);
            Ok::<_, Fault>(())
        };
        match asked.await {
            Ok(()) => true,
            // All channels are in use, so there is none to ask on.
            Err(Fault::Fatal(_)) => false,
            Err(fault) => {
                tracing::debug!("the broker does not answer on the {} connection: {fault}", self.name);
                self.end(&epoch).await;
                false
            }
        }
    }

    /// Ends this epoch for all its users, if it is still the current one.
    pub(super) async fn end(&self, epoch: &Arc<Epoch>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|present| Arc::ptr_eq(present, epoch)) {
            *current = None;
            self.note_loss();
            let epoch = Arc::clone(epoch);
            epoch.over.send_replace(true);
            tokio::spawn(async move { epoch.close().await });
        }
    }

    fn note_loss(&self) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the broker may still treat an earlier connection as alive and keep its exclusive
    /// queues.
    pub(super) fn may_linger(&self) -> bool {
        let lost = *self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.is_some_and(|lost| lost.elapsed() < LINGER)
    }

    pub(super) async fn close(&self) {
        if let Some(epoch) = self.current.lock().await.take() {
            epoch.close().await;
        }
    }
}

fn too_few_channels(limit: u16, need: &str) -> TransportError {
    let cause = format!(
        "the broker allows {limit} channels on it, and {need}. Raise channel_max in rabbitmq.conf, or leave it out of \
         the URL"
    );
    TransportError::Other { action: "using a connection".to_owned(), cause }
}

/// Passes events on until the connection ends, and logs why the broker closed it; requests only
/// fail with the connection.
async fn hear(events: impl Stream<Item = Event>, heard: broadcast::Sender<Event>, session: Arc<Session>) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        // Without listeners the event is not needed.
        let _ = heard.send(event.clone());
        if let Event::Error(error) = event
            && let ErrorKind::ProtocolError(told) = error.kind()
            && let AMQPErrorKind::Hard(_) = told.kind()
        {
            session.closed_by_broker(&printable(told.get_message().as_str()));
        }
    }
}
