//! The task behind a subscription: opens its channel, and opens it again after a loss.

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

/// Everything that is needed to subscribe, also after each loss.
pub(super) struct Source {
    pub(super) session: Arc<Session>,
    pub(super) control: Arc<Control>,
    pub(super) consume: Arc<Link>,
    pub(super) wanted: Alias,
}

pub(super) struct Feed {
    epoch: Arc<Epoch>,
    channel: Channel,
    consumer: Consumer,
}

enum Ending {
    /// The channel, the connection or the queue is gone.
    Lost,
    /// The subscription was dropped or the transport closed.
    Unwanted,
}

impl Source {
    fn queue(&self) -> &Queue {
        &self.wanted.present().queue
    }

    /// Only the connection that declared an exclusive queue may consume from it.
    fn link(&self) -> &Link {
        if self.queue().kind == QueueKind::Exclusive { &self.control.link } else { &self.consume }
    }

    /// Declares the queue and consumes from it, as soon as the broker can be reached.
    pub(super) async fn open(&mut self) -> Result<Feed, TransportError> {
        let mut backoff = Backoff::new();
        loop {
            let Subscribe { queue, bindings, .. } = self.wanted.present();
            let declared_in = match self.control.queue(queue, bindings).await {
                // An earlier connection of this process holds the name.
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
            // The queue was deleted after the declaration above: with its last consumer, or by an
            // operator.
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

    /// Opens the feed again after a loss. Errors are retried for [`CONFIRM_TIMEOUT`], because
    /// exchanges or rights may be missing for a while after a broker's restart.
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
        // A prefetch of 0 would mean no limit.
        let prefetch = self.wanted.present().prefetch.max(1);
        let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
        // The broker handles both requests in this order, so they are sent together.
        let limit = channel.basic_qos(prefetch, BasicQosOptions { global: false });
        let consume = channel.basic_consume(queue, "".into(), options, table);
        let ((), consumer) = rpc(futures_util::future::try_join(limit, consume)).await?;
        Ok((channel, consumer))
    }

    /// Returns when the broker has dropped the consumer silently.
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
                tracing::warn!(
                    "the broker silently dropped the consumer of queue {}; consuming again",
                    self.queue().name
                );
                return;
            }
        }
    }

    /// Fills the inbox until the subscription is dropped or the transport is closed.
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
                // Closing the transport closes the connection with all its channels.
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

/// Returns when the consumer ends. The stream ends when the broker cancels the consumer, for
/// example because the queue was deleted; an error means that the channel was closed.
async fn pour(consumer: &mut Consumer, inbox: &Inbox) {
    while let Some(Ok(delivery)) = consumer.next().await {
        inbox.deliver(delivery);
    }
}
