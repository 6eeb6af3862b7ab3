//! The task behind a subscription: opens its channel, and opens it again.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::control_connection::Control;
use super::fault::{Fault, code, rpc};
use super::link::{CLOSE_TIMEOUT, Epoch, Link};
use super::properties::short;
use super::session::Session;
use super::stale_consumer::{LOOK, StaleCheck};
use super::subscription::Inbox;
use crate::protocol::limits::CONFIRM_TIMEOUT;
use crate::protocol::topology::{Queue, QueueKind};
use crate::transport::{Alias, Subscribe, TransportError};

/// What it takes to subscribe, each time anew.
pub(super) struct Source {
    pub(super) session: Arc<Session>,
    pub(super) control: Arc<Control>,
    pub(super) consume: Arc<Link>,
    pub(super) wanted: Alias,
}

/// An open channel with its consumer.
pub(super) struct Feed {
    epoch: Arc<Epoch>,
    channel: Channel,
    consumer: Consumer,
}

/// Why a feed ended.
enum Ending {
    /// The channel, the connection or the queue is gone.
    Lost,
    /// Nobody wants it any more.
    Unwanted,
}

impl Source {
    fn queue(&self) -> &Queue {
        &self.wanted.present().queue
    }

    /// An exclusive queue is consumed on the connection that declared it, the only one that may.
    fn link(&self) -> &Link {
        if self.queue().kind == QueueKind::Exclusive { &self.control.link } else { &self.consume }
    }

    /// Declares the queue and consumes from it, as soon as the broker can be reached.
    pub(super) async fn open(&mut self) -> Result<Feed, TransportError> {
        let mut backoff = Backoff::new();
        loop {
            let Subscribe { queue, bindings, .. } = self.wanted.present();
            let declared_in = match self.control.queue(queue, bindings).await {
                // By an earlier connection of ours.
                Err(error @ TransportError::Occupied { .. }) if self.control.link.may_linger() => {
                    self.wanted.rename();
                    backoff.wait_after(&format!("{error}; taking {} instead", self.queue().name)).await;
                    continue;
                }
                declared_in => declared_in?,
            };
            let exclusive = self.queue().kind == QueueKind::Exclusive;
            let epoch = if exclusive { declared_in } else { self.consume.epoch().await? };
            let fault = match self.consume_in(&epoch).await {
                Ok((channel, consumer)) => return Ok(Feed { epoch, channel, consumer }),
                Err(fault) => fault,
            };
            // Deleted since it was declared just now, by its last consumer or by hand.
            let is_gone = fault.is_refusal(code::NOT_FOUND);
            let cause = match fault.about("consuming from queue", &self.queue().name) {
                Fault::Fatal(error) if !is_gone => return Err(error),
                Fault::Lost(cause) => {
                    self.link().end(&epoch).await;
                    cause
                }
                Fault::Silent(cause) if self.queue().kind == QueueKind::Quorum => {
                    let done = self.control.clear_leaderless(self.queue()).await;
                    format!("{cause}; {}", done.unwrap_or_else(|fault| fault.to_string()))
                }
                other => other.to_string(),
            };
            backoff.wait_after(&cause).await;
        }
    }

    /// The same after a loss, when the broker may not yet be what it was: exchanges or rights may be missing
    /// for a while.
    async fn open_again(&mut self) -> Result<Feed, TransportError> {
        let give_up = Instant::now() + CONFIRM_TIMEOUT;
        let (mut backoff, mut told) = (Backoff::new(), false);
        loop {
            match self.open().await {
                Err(error) if error != TransportError::Closed && Instant::now() < give_up => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!("cannot consume from {} again: {error}; trying again", self.queue().name);
                    }
                    backoff.wait().await;
                    self.control.restore().await?;
                }
                done => return done,
            }
        }
    }

    async fn consume_in(&self, epoch: &Epoch) -> Result<(Channel, Consumer), Fault> {
        let queue = short("a queue's name", &self.queue().name).map_err(Fault::Fatal)?;
        let channel = epoch.channel().await?;
        // 0 would mean no limit.
        let prefetch = self.wanted.present().prefetch.max(1);
        let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
        // The broker takes them in this order, and needs no pause between them.
        let limit = channel.basic_qos(prefetch, BasicQosOptions { global: false });
        let consume = channel.basic_consume(queue, "".into(), options, table);
        let ((), consumer) = rpc(futures_util::future::try_join(limit, consume)).await?;
        Ok((channel, consumer))
    }

    /// Ends when the broker has forgotten the consumer.
    async fn until_stale(&self, inbox: &Inbox) {
        if self.queue().kind != QueueKind::Quorum {
            return std::future::pending().await;
        }
        let mut stale = StaleCheck::default();
        loop {
            sleep(LOOK).await;
            if stale.is_served(inbox.traffic()) {
                continue;
            }
            let found = self.control.look(&self.queue().name).await;
            if let Ok(Some(found)) = found
                && stale.is_proved(inbox.traffic(), found)
            {
                tracing::warn!("the broker has forgotten who consumes from {}: consuming again", self.queue().name);
                return;
            }
        }
    }

    /// Keeps the inbox fed until the subscription is dropped or the transport is closed.
    pub(super) async fn feed(mut self, mut feed: Feed, inbox: Arc<Inbox>, mut dropped: oneshot::Receiver<()>) {
        let session = Arc::clone(&self.session);
        loop {
            let ending = tokio::select! {
                biased;
                () = session.closed() => Ending::Unwanted,
                _ = &mut dropped => Ending::Unwanted,
                () = feed.epoch.over() => Ending::Lost,
                () = pour(&mut feed.consumer, &inbox) => Ending::Lost,
                () = self.until_stale(&inbox) => Ending::Lost,
            };
            let interruption = session.interrupt();
            inbox.lost();
            tokio::select! {
                biased;
                // With the transport goes the whole connection, and all channels with it.
                () = session.closed() => {}
                () = feed.close() => {}
            }
            if matches!(ending, Ending::Unwanted) {
                break;
            }
            let again = tokio::select! {
                biased;
                _ = &mut dropped => break,
                again = self.open_again() => again,
            };
            feed = match again {
                Ok(feed) => feed,
                Err(error) => return inbox.failed(error),
            };
            drop(interruption);
            inbox.restored();
        }
        inbox.failed(TransportError::Closed);
    }
}

impl Feed {
    async fn close(self) {
        let Self { epoch, channel, consumer } = self;
        if channel.status().connected() && !epoch.connection.status().blocked() {
            let _ = timeout(CLOSE_TIMEOUT, channel.close(200, "done".into())).await;
        }
        drop(consumer);
    }
}

/// Ends with the consumer. The end of its stream is the broker's cancel, as when the queue was
/// deleted; an error is the end of the channel.
async fn pour(consumer: &mut Consumer, inbox: &Inbox) {
    while let Some(Ok(delivery)) = consumer.next().await {
        inbox.deliver(delivery);
    }
}
