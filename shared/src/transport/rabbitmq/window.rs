//! The task that owns the publishing channel.
//!
//! Only this task publishes on the channel, and it alone polls whole publish-to-confirm futures:
//! with two publishers on one channel the client library mixes up their confirms.

use std::sync::{Arc, Weak};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Event};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, interval, timeout};

use super::alarm::Alarm;
use super::backoff::Backoff;
use super::ceiling::Ceiling;
use super::control_connection::Control;
use super::fault::{Fault, code, rpc};
use super::link::{Epoch, Link};
use super::outbox::Outbox;
use super::publish::{Pending, Publication};
use super::session::Session;
use crate::protocol::limits::CONFIRM_TIMEOUT;
use crate::transport::TransportError;

/// Interval of checks of the oldest confirm's deadline.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait for the confirms of a dead channel. They all fail at once.
const SETTLE: Duration = Duration::from_secs(1);

enum Ending {
    /// The broker closed the channel because of one of the messages.
    Refused {
        code: u16,
        text: String,
    },
    /// The connection was lost, or confirms do not come.
    Lost(String),
    Closed,
}

pub(super) struct Window {
    session: Arc<Session>,
    link: Arc<Link>,
    control: Arc<Control>,
    pending: mpsc::Receiver<Pending>,
    outbox: Outbox,
    ceiling: Arc<Ceiling>,
    /// The epoch of the last channel: shows whether a new channel is on a new connection.
    last: Weak<Epoch>,
    alarm: Alarm,
    backoff: Backoff,
}

impl Window {
    pub(super) fn new(
        session: Arc<Session>,
        link: Arc<Link>,
        control: Arc<Control>,
        pending: mpsc::Receiver<Pending>,
        ceiling: Arc<Ceiling>,
    ) -> Self {
        Self {
            session,
            link,
            control,
            pending,
            outbox: Outbox::default(),
            ceiling,
            last: Weak::new(),
            alarm: Alarm::default(),
            backoff: Backoff::new(),
        }
    }

    /// Publishes until the transport is closed. Dropping the outbox then ends the waits of its
    /// publishers.
    pub(super) async fn run(mut self) {
        let session = Arc::clone(&self.session);
        tokio::select! {
            biased;
            () = session.closed() => {}
            () = self.publish_all() => {}
        }
    }

    async fn publish_all(&mut self) {
        loop {
            // The first channel is opened before the first message, so that the message need not
            // wait for it.
            if self.outbox.is_idle() && self.last.strong_count() > 0 {
                let Some(pending) = self.pending.recv().await else { return };
                self.outbox.push(pending);
            }
            let Ok(epoch) = self.epoch().await else { return };
            let ending = match open(&epoch).await {
                Ok(channel) => self.drive(&epoch, &channel).await,
                Err(fault) => Ending::Lost(fault.to_string()),
            };
            match ending {
                Ending::Closed => return,
                Ending::Refused { code, text } => {
                    if self.find_culprit(code, text).await.is_err() {
                        return;
                    }
                }
                Ending::Lost(cause) => {
                    tracing::debug!("publishing was interrupted: {cause}");
                    self.outbox.take_back();
                    self.link.end(&epoch).await;
                    self.backoff.wait().await;
                }
            }
        }
    }

    /// The current epoch. After a reconnection the broker may have lost its queues, and messages
    /// would be dropped; so the whole topology is declared first.
    async fn epoch(&mut self) -> Result<Arc<Epoch>, TransportError> {
        let epoch = self.link.epoch().await?;
        if self.last.as_ptr() != Arc::as_ptr(&epoch) {
            // Before the first epoch, the control connection knows of every loss.
            let is_first = self.last.ptr_eq(&Weak::new());
            self.ceiling.forget();
            if is_first {
                self.control.look_after().await?
            } else {
                self.control.restore().await?
            }
            self.last = Arc::downgrade(&epoch);
        }
        Ok(epoch)
    }

    /// Sends messages and handles confirms on one channel until it ends.
    async fn drive(&mut self, epoch: &Epoch, channel: &Channel) -> Ending {
        let mut events = epoch.events.subscribe();
        self.alarm.look(&epoch.connection);
        let mut flights = FuturesUnordered::new();
        let mut look = interval(LOOK);
        loop {
            while let Some((number, publication)) = self.outbox.launch(Instant::now()) {
                flights.push(fly(channel, number, publication));
            }
            tokio::select! {
                biased;
                () = epoch.over() => return Ending::Lost("the connection was given up".to_owned()),
                Ok(event) = events.recv() => self.note(event),
                Some((number, landed)) = flights.next(), if !flights.is_empty() => {
                    if let Err(fault) = self.land(number, landed) {
                        return self.collapse(fault, flights).await;
                    }
                }
                pending = self.pending.recv(), if self.outbox.has_room() => match pending {
                    Some(pending) => self.outbox.push(pending),
                    None => return Ending::Closed,
                },
                _ = look.tick() => {
                    self.alarm.look(&epoch.connection);
                    if self.is_overdue() {
                        return Ending::Lost(format!("no confirm within {} s", CONFIRM_TIMEOUT.as_secs()));
                    }
                }
            }
        }
    }

    fn land(&mut self, number: u64, landed: lapin::Result<Confirmation>) -> Result<(), Fault> {
        let confirmation = landed?;
        self.backoff.reset();
        self.outbox.land(number, confirmation.is_ack());
        Ok(())
    }

    /// Ends a channel after its first fault. Other messages may have been confirmed before it, and
    /// another fault may carry the broker's words where the first says only that the channel is
    /// gone.
    async fn collapse<F>(&mut self, mut fault: Fault, mut flights: FuturesUnordered<F>) -> Ending
    where
        F: Future<Output = (u64, lapin::Result<Confirmation>)>,
    {
        while let Ok(Some((number, landed))) = timeout(SETTLE, flights.next()).await {
            if let Err(other) = self.land(number, landed)
                && !matches!(fault, Fault::Refused { .. })
            {
                fault = other;
            }
        }
        match fault {
            Fault::Refused { code, text } => Ending::Refused { code, text },
            Fault::Lost(cause) | Fault::Silent(cause) => Ending::Lost(cause),
            fault @ (Fault::Fatal(_) | Fault::NoChannel) => Ending::Lost(fault.to_string()),
        }
    }

    /// Handles a channel that was closed because of one of the messages. A missing exchange may
    /// only have been lost, so it is declared again before a publisher gets an error.
    async fn find_culprit(&mut self, reply: u16, text: String) -> Result<(), TransportError> {
        tracing::debug!("the broker closed the publishing channel: {text}");
        if let Some(bytes_max) = self.ceiling.learn(reply, &text)
            && self.outbox.too_large(bytes_max, &text)
        {
            return Ok(());
        }
        let found = self.outbox.refused(|publication| {
            let (name, cause) = (publication.exchange.to_string(), text.clone());
            match reply {
                code::ACCESS_REFUSED => TransportError::Forbidden { name, cause },
                _ => TransportError::Other { action: format!("publishing to exchange {name:?}"), cause },
            }
        });
        if found || reply != code::NOT_FOUND { Ok(()) } else { self.control.restore().await }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::ConnectionBlocked(reason) => self.alarm.begin(&reason),
            Event::ConnectionUnblocked => self.alarm.end(Instant::now()),
            _ => {}
        }
    }

    fn is_overdue(&self) -> bool {
        let Some(oldest) = self.outbox.oldest() else { return false };
        self.alarm.waited_since(oldest, Instant::now()).is_some_and(|waited| waited > CONFIRM_TIMEOUT)
    }
}

async fn open(epoch: &Epoch) -> Result<Channel, Fault> {
    let channel = epoch.channel().await?;
    rpc(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Publishes one message and awaits its confirm.
async fn fly(channel: &Channel, number: u64, publication: Arc<Publication>) -> (u64, lapin::Result<Confirmation>) {
    let (exchange, key, properties) =
        (publication.exchange.clone(), publication.key.clone(), publication.properties.clone());
    let options = BasicPublishOptions::default();
    match channel.basic_publish(exchange, key, options, &publication.body, properties).await {
        Ok(confirm) => (number, confirm.await),
        Err(error) => (number, Err(error)),
    }
}
