//! One connection that is made anew whenever it is lost.
//!
//! Each connection's life is an [`Epoch`]. Whoever meets an error in an epoch ends it; whoever needs
//! a connection next makes the new one, while the others wait for it. So no task supervises: a
//! connection is missed only by those who use it.

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

/// How long a close may take, per connection or channel. The broker cleans up by itself when the
/// socket is gone.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the broker may take a lost connection for alive: two to three of its heartbeats, and the time
/// that a busy broker takes to see to it.
const LINGER: Duration = CONFIRM_TIMEOUT;

/// How often a closing connection is looked at.
const CLOSE_LOOK: Duration = Duration::from_millis(2);

/// Events that one who listens may lag behind.
const EVENTS: usize = 16;

/// What a first try may take, however short the caller's patience.
const FIRST_TRY: Duration = Duration::from_secs(1);

/// The largest frame on connections that carry our own messages. The client library fills two
/// buffers of 32 frames with zeros for each connection, so with the broker's 128 KiB a short job would
/// spend as long on them as on everything else. Connections with consumers of durable queues keep the
/// broker's limit: there a stranger's headers may need it, and would cost the connection each time
/// that they are delivered again. An exclusive queue is gone with its connection, and the stranger's
/// message with it.
pub(super) const FRAME_BYTES: u32 = 32 * 1024;

/// Channels that each connection of a role needs: two subscriptions, one for declarations, and one more when a
/// declaration is refused and costs its own. Subscriptions to queues of tasks come on top.
const CHANNELS_MIN: u16 = 4;

/// The life of one connection.
pub(super) struct Epoch {
    pub(super) connection: Connection,
    /// What happens to the connection and its channels. The client library gives each event to one listener
    /// alone, so there is one, which passes them on.
    pub(super) events: broadcast::Sender<Event>,
    /// A channel that the last declaration has left open for the next one.
    spare: Mutex<Option<Channel>>,
    /// Whether numbers of channels are left out.
    has_gaps: AtomicBool,
    over: watch::Sender<bool>,
}

impl Epoch {
    /// A channel of its own.
    ///
    /// The client library keeps the error of a channel that the broker has closed, and gives it to the
    /// next channel of the same number as well, once the numbers have gone round. So no refusal of a
    /// channel is the broker's. Such a number is left out from then on; when none is left, the
    /// connection is at its limit, and lost. A connection that is at its limit without that would be so again.
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

    /// The channel that the last declaration left, or one of its own.
    pub(super) async fn spare(&self) -> Result<Channel, Fault> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        match spare.filter(|channel| channel.status().connected()) {
            Some(channel) => Ok(channel),
            None => self.channel().await,
        }
    }

    /// Leaves a channel for the next declaration.
    pub(super) fn keep_spare(&self, channel: Channel) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
    }

    /// Waits until someone has ended the epoch. A lost connection alone does not show here.
    pub(super) async fn over(&self) {
        let _ = self.over.subscribe().wait_for(|&over| over).await;
    }

    /// A blocked connection writes nothing, so a close of it would wait as long as the block.
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

    /// Waits until the connection is closed. The client library (4.12) loses the broker's answer to a
    /// close now and then: one of 60 closes of a short job waited for it until its time was up.
    async fn closed(&self) {
        let status = self.connection.status();
        while !status.closed() && !status.errored() {
            tokio::time::sleep(CLOSE_LOOK).await;
        }
    }
}

/// One of a transport's connections.
pub(super) struct Link {
    name: &'static str,
    session: Arc<Session>,
    frame_bytes: Option<u32>,
    /// Fewer are no connection.
    channels_min: u16,
    current: tokio::sync::Mutex<Option<Arc<Epoch>>>,
    /// When the last epoch was ended.
    lost: Mutex<Option<Instant>>,
}

impl Link {
    /// One that connects when it is needed.
    pub(super) fn new(name: &'static str, session: Arc<Session>) -> Self {
        let (current, lost) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { name, session, frame_bytes: None, channels_min: 1, current, lost }
    }

    /// One that is a role's, and so needs some channels; see [`CHANNELS_MIN`].
    pub(super) fn of_a_role(mut self) -> Self {
        self.channels_min = CHANNELS_MIN;
        self
    }

    /// One whose frames are short; see [`FRAME_BYTES`].
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
                Err(_) => Fault::Lost(format!("no answer within {limit:?}")),
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

    /// The present epoch, or the next one as soon as the broker can be reached. Whatever the broker
    /// says now, it took these credentials before: an operator may mend it, so it is waited for.
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

    /// Whether the broker answers on the present connection now; so, too, if none was needed yet. A
    /// connection that gives no answer is ended, so that those who use it make a new one.
    pub(super) async fn answers(&self) -> bool {
        let Some(epoch) = self.current.lock().await.clone() else { return true };
        let asked = async {
            let channel = epoch.spare().await?;
            // It has no consumers, so this says nothing but that somebody listens.
            rpc(channel.basic_qos(1, BasicQosOptions::default())).await?;
            epoch.keep_spare(channel);
            Ok::<_, Fault>(())
        };
        match asked.await {
            Ok(()) => true,
            // Whoever has its channels has asked for them in vain.
            Err(Fault::Fatal(_)) => false,
            Err(fault) => {
                tracing::debug!("no sign of the broker on the {} connection: {fault}", self.name);
                self.end(&epoch).await;
                false
            }
        }
    }

    /// Ends this epoch, if it is still the present one, for everyone who uses it.
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

    /// Whether the broker may still take an earlier connection for alive, and keep what it held.
    pub(super) fn may_linger(&self) -> bool {
        let lost = *self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.is_some_and(|lost| lost.elapsed() < LINGER)
    }

    /// Closes the connection for good.
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

/// Passes events on, and says why the broker has closed the connection: requests only fail with it. Ends with
/// the connection.
async fn hear(events: impl Stream<Item = Event>, heard: broadcast::Sender<Event>, session: Arc<Session>) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        // Who listens to none of them misses none.
        let _ = heard.send(event.clone());
        if let Event::Error(error) = event
            && let ErrorKind::ProtocolError(told) = error.kind()
            && let AMQPErrorKind::Hard(_) = told.kind()
        {
            session.closed_by_broker(&printable(told.get_message().as_str()));
        }
    }
}
