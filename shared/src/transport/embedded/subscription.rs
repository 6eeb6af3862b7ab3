//! The consumer's end: deliveries and their ackers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::Connection;
use super::entry::{Taken, Verdict};
use crate::transport::{Acker, Delivery, Incoming, Subscription, TransportError};

pub(super) struct EmbeddedSubscription {
    connection: Arc<Connection>,
    queue: Arc<str>,
    consumer: u64,
    bell: Arc<Notify>,
}

impl EmbeddedSubscription {
    pub(super) fn new(connection: Arc<Connection>, queue: Arc<str>, (consumer, bell): (u64, Arc<Notify>)) -> Self {
        Self { connection, queue, consumer, bell }
    }

    fn delivery(&self, taken: Taken) -> Delivery {
        let Taken { place, key, message, returns } = taken;
        let (connection, queue, consumer) = (self.connection.clone(), self.queue.clone(), self.consumer);
        let acker = Box::new(EmbeddedAcker { connection, queue, consumer, place });
        // The queue keeps the message until it is acked, so it is shared.
        Delivery { message, key, returns, acker }
    }
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self) -> Result<Incoming, TransportError> {
        // A consumer whose inbox is never empty would starve other tasks on its thread.
        tokio::task::consume_budget().await;
        loop {
            // There must be no await between this line and the return; a cancelled wait would lose
            // the message.
            let taken = self.connection.lock().take(&self.queue, self.consumer)?;
            if let Some(taken) = taken {
                return Ok(Incoming::Delivery(Box::new(self.delivery(taken))));
            }
            self.bell.notified().await;
        }
    }
}

impl Drop for EmbeddedSubscription {
    fn drop(&mut self) {
        self.connection.lock().unsubscribe(&self.queue, self.consumer);
    }
}

struct EmbeddedAcker {
    connection: Arc<Connection>,
    queue: Arc<str>,
    consumer: u64,
    place: u64,
}

impl EmbeddedAcker {
    async fn settle(&self, verdict: Verdict) {
        self.connection.lock().settle(&self.queue, self.consumer, self.place, verdict);
        tokio::task::consume_budget().await;
    }
}

impl fmt::Debug for EmbeddedAcker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedAcker({} #{} of consumer {})", self.queue, self.place, self.consumer)
    }
}

#[async_trait]
impl Acker for EmbeddedAcker {
    async fn ack(self: Box<Self>) {
        self.settle(Verdict::Done).await;
    }

    async fn nack(self: Box<Self>, requeue: bool) {
        self.settle(if requeue { Verdict::Requeue } else { Verdict::Reject }).await;
    }
}
