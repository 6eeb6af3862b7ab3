//! Requests to owners over the control exchange.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::protocol::id::{JobId, OwnerId};
use crate::protocol::limits;
use crate::protocol::message::{Message, Reply, Request, kind};
use crate::protocol::topology;
use crate::system::clock::Clock;
use crate::system::random;
use crate::transport::{Incoming, PublishError, Subscribe, Subscription, Transport, TransportError};

/// Sends one request at a time, and receives replies in its own queue.
pub struct Asker {
    transport: Arc<dyn Transport>,
    name: JobId,
    replies: Box<dyn Subscription>,
    clock: Clock,
    asked: u64,
}

impl Asker {
    /// Subscribes to a new queue for replies.
    pub async fn new(transport: Arc<dyn Transport>) -> Result<Self, TransportError> {
        transport.declare(&topology::shared()).await?;
        let name = JobId::from_name(random::token().as_bytes());
        let (queue, bindings) = topology::replies(&name);
        let replies = transport.subscribe(Subscribe { queue, bindings, prefetch: 64 }).await?;
        Ok(Self { transport, name, replies, clock: Clock::start(), asked: 0 })
    }

    /// Asks one owner and waits for its reply; `None` if none came in time.
    pub async fn ask(
        &mut self,
        owner: &OwnerId,
        request: &Request,
        patience: Duration,
    ) -> Result<Option<Reply>, TransportError> {
        let id = self.publish(&topology::owner_request_key(owner), request).await?;
        self.next_reply(&id, Instant::now() + patience).await
    }

    /// Asks every owner and collects the replies that come in time.
    pub async fn gather(&mut self, request: &Request, patience: Duration) -> Result<Vec<Reply>, TransportError> {
        let id = self.publish(topology::ALL_OWNERS, request).await?;
        let deadline = Instant::now() + patience;
        let mut replies = Vec::new();
        while let Some(reply) = self.next_reply(&id, deadline).await? {
            replies.push(reply);
        }
        Ok(replies)
    }

    /// Asks every owner and collects replies: for [`limits::GATHER`] once `is_it` holds for one of
    /// them, otherwise up to `patience`.
    pub async fn find(
        &mut self,
        request: &Request,
        patience: Duration,
        is_it: impl Fn(&Reply) -> bool,
    ) -> Result<Vec<Reply>, TransportError> {
        let id = self.publish(topology::ALL_OWNERS, request).await?;
        let begun = Instant::now();
        let mut replies = Vec::new();
        loop {
            let deadline = begun + if replies.iter().any(&is_it) { limits::GATHER } else { patience };
            match self.next_reply(&id, deadline).await? {
                Some(reply) => replies.push(reply),
                None => return Ok(replies),
            }
        }
    }

    async fn publish(&mut self, key: &str, request: &Request) -> Result<String, TransportError> {
        self.asked += 1;
        let id = format!("{}-{}", self.name, self.asked);
        let mut message = Message::json(kind::REQUEST, id.as_str(), request, self.clock.system());
        message.reply_to = Some(topology::reply_key(&self.name).into());
        match self.transport.publish(topology::CONTROL, key, message).await {
            // A full control queue loses the request, so no reply comes.
            Ok(()) | Err(PublishError::Refused { .. }) => Ok(id),
            Err(PublishError::Transport(error)) => Err(error),
            Err(PublishError::TooLarge(oversize)) => Err(TransportError::Other {
                action: "asking an owner".to_owned(),
                cause: format!("{oversize}; name fewer paths, or a directory that holds them"),
            }),
        }
    }

    async fn next_reply(&mut self, id: &str, deadline: Instant) -> Result<Option<Reply>, TransportError> {
        loop {
            let Ok(incoming) = timeout_at(deadline, self.replies.next()).await else { return Ok(None) };
            let Incoming::Delivery(delivery) = incoming? else { continue };
            let message = &delivery.message;
            let reply = (message.correlation.as_deref() == Some(id))
                .then(|| message.expect(kind::REPLY).and_then(|()| message.parse::<Reply>()));
            delivery.acker.ack().await;
            match reply {
                Some(Ok(reply)) => return Ok(Some(reply)),
                Some(Err(reason)) => tracing::warn!(%reason, "A reply cannot be read."),
                // A late reply to an earlier request.
                None => {}
            }
        }
    }
}
