//! Subscriptions: each has its own channel, a task that keeps the channel open, and a buffer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::{Notify, oneshot};

use super::fault::rpc;
use super::properties;
use super::session::Session;
use super::stale_consumer::Traffic;
use crate::transport::{Acker, Acks, Delivery, Incoming, Subscription, TransportError};

/// The buffer between the task and the subscription. The broker's prefetch bounds it, because the
/// deliveries of a lost epoch are discarded before those of the next one come in.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    news: Notify,
    /// Counts the epochs of this subscription, so that an ack from an earlier epoch is recognised.
    epoch: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    interruptions: usize,
    deliveries: VecDeque<Delivery>,
    delivered: u64,
    /// Unsettled deliveries of this epoch.
    held: Arc<AtomicUsize>,
    acks: Arc<Acking>,
    failed: Option<TransportError>,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.news.notify_one();
    }

    /// Adds a delivery of the current epoch.
    pub(super) fn deliver(&self, delivery: lapin::message::Delivery) {
        let (held, acks) = self.hold(delivery.delivery_tag);
        let acker = Settle {
            acker: delivery.acker,
            tag: delivery.delivery_tag,
            epoch: self.epoch.load(Ordering::SeqCst),
            present: Arc::clone(&self.epoch),
            held,
            acks,
        };
        let mut message = properties::to_message(&delivery.properties, delivery.data);
        let delivery = Delivery {
            returns: properties::take_returns(&mut message, delivery.redelivered),
            message: Arc::new(message),
            key: delivery.routing_key.as_str().into(),
            acker: Box::new(acker),
        };
        self.change(|state| state.deliveries.push_back(delivery));
    }

    fn hold(&self, tag: u64) -> (Arc<AtomicUsize>, Arc<Acking>) {
        let mut state = self.state();
        state.delivered += 1;
        state.held.fetch_add(1, Ordering::SeqCst);
        state.acks.lock().deliver(tag);
        (Arc::clone(&state.held), Arc::clone(&state.acks))
    }

    pub(super) fn traffic(&self) -> Traffic {
        let state = self.state();
        Traffic { delivered: state.delivered, held: state.held.load(Ordering::SeqCst) }
    }

    /// Called when the epoch is over: the broker redelivers its unsettled messages.
    pub(super) fn lost(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.change(|state| {
            state.deliveries.clear();
            state.delivered = 0;
            state.held = Arc::default();
            state.acks = Arc::default();
        });
    }

    /// Called when the next epoch has begun.
    pub(super) fn restored(&self) {
        self.change(|state| state.interruptions += 1);
    }

    /// Called when there will be no further epoch.
    pub(super) fn failed(&self, error: TransportError) {
        self.lost();
        self.change(|state| state.failed = Some(error));
    }

    fn take(&self) -> Option<Result<Incoming, TransportError>> {
        let mut state = self.state();
        if state.interruptions > 0 {
            state.interruptions -= 1;
            return Some(Ok(Incoming::Interrupted));
        }
        if let Some(error) = &state.failed {
            return Some(Err(error.clone()));
        }
        state.deliveries.pop_front().map(|delivery| Ok(Incoming::Delivery(Box::new(delivery))))
    }
}

/// The subscriber's side. Dropping it ends the task, which closes the channel.
pub(super) struct Inlet {
    pub(super) inbox: Arc<Inbox>,
    pub(super) session: Arc<Session>,
    /// Nothing is sent; the task notices the drop.
    pub(super) _alive: oneshot::Sender<()>,
}

#[async_trait]
impl Subscription for Inlet {
    async fn next(&mut self) -> Result<Incoming, TransportError> {
        loop {
            if self.session.is_closed() {
                return Err(TransportError::Closed);
            }
            if let Some(incoming) = self.inbox.take() {
                return incoming;
            }
            tokio::select! {
                biased;
                () = self.session.closed() => {}
                () = self.inbox.news.notified() => {}
            }
        }
    }
}

/// Settles on the channel that the delivery came on, or does nothing if that is gone.
#[derive(Debug)]
struct Settle {
    acker: lapin::Acker,
    /// Its number on the channel.
    tag: u64,
    epoch: u64,
    present: Arc<AtomicU64>,
    /// Counts the delivery until it is settled. If the acker is dropped, the delivery stays
    /// unsettled and counted.
    held: Arc<AtomicUsize>,
    acks: Arc<Acking>,
}

/// The acks of one channel.
#[derive(Debug, Default)]
struct Acking {
    acks: Mutex<Acks<lapin::Acker>>,
    /// Held from the choice of what is acked until that is sent. Otherwise an ack of several could
    /// overtake one that it is also of, and the broker closes the channel when that comes.
    sending: tokio::sync::Mutex<()>,
}

impl Acking {
    fn lock(&self) -> MutexGuard<'_, Acks<lapin::Acker>> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settle {
    fn is_stale(&self) -> bool {
        self.epoch != self.present.load(Ordering::SeqCst)
    }
}

/// An ack that fails or comes too late is not an error: the message is redelivered, and the
/// subscription's task notices by itself that the channel is gone.
#[async_trait]
impl Acker for Settle {
    /// Whoever acks many at once polls all of these before the first goes on, and that one sends
    /// for all.
    async fn ack(self: Box<Self>) {
        self.acks.lock().ack(self.tag, self.acker.clone());
        tokio::task::yield_now().await;
        let _sending = self.acks.sending.lock().await;
        // There must be no await between this line and the sending: a cancelled one loses the acks.
        let acks = if self.is_stale() { Vec::new() } else { self.acks.lock().take() };
        for (acker, multiple) in acks {
            if let Err(fault) = rpc(acker.ack(BasicAckOptions { multiple })).await {
                tracing::debug!("an ack was lost: {fault}");
            }
        }
        self.held.fetch_sub(1, Ordering::SeqCst);
    }

    async fn nack(self: Box<Self>, requeue: bool) {
        // It must be sent before an ack of later ones is, which would be of this one, too.
        let _sending = self.acks.sending.lock().await;
        self.acks.lock().give_back(self.tag);
        let options = BasicNackOptions { multiple: false, requeue };
        if !self.is_stale()
            && let Err(fault) = rpc(self.acker.nack(options)).await
        {
            tracing::debug!("a nack was lost: {fault}");
        }
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}
