//! The publisher's side: room in the window for each message, and the wait for its answer.

use std::sync::Arc;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::ShortString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::ceiling::Ceiling;
use super::properties::{of_message, short};
use super::session::Session;
use crate::protocol::limits::{PUBLISH_WINDOW_BYTES, PUBLISH_WINDOW_MESSAGES};
use crate::protocol::message::Message;
use crate::transport::{Oversize, PublishError, TransportError};

/// A message in the form in which it is sent, and sent again.
pub(super) struct Publication {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

pub(super) struct Pending {
    pub(super) publication: Arc<Publication>,
    /// The message was unconfirmed when the broker closed a channel because of an unnamed message.
    pub(super) suspect: bool,
    answer: oneshot::Sender<Result<(), PublishError>>,
    /// Held until the answer, so that all waiting and unconfirmed messages fit into the window.
    _room: [OwnedSemaphorePermit; 2],
}

impl Pending {
    pub(super) fn answer(self, answer: Result<(), PublishError>) {
        // The publisher may be gone; then the answer is not needed.
        let _ = self.answer.send(answer);
    }

    #[cfg(test)]
    pub(super) fn for_test(key: &str, bytes: usize) -> (Self, oneshot::Receiver<Result<(), PublishError>>) {
        let room = || Arc::new(Semaphore::new(1)).try_acquire_owned().expect("one is free");
        let (exchange, key) = ("e".into(), key.into());
        let publication =
            Publication { exchange, key, properties: BasicProperties::default(), body: vec![0; bytes].into() };
        let (answer, answered) = oneshot::channel();
        (Self { publication: Arc::new(publication), suspect: false, answer, _room: [room(), room()] }, answered)
    }

    pub(super) fn is_unwanted(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn refused(&self) -> PublishError {
        PublishError::Refused { exchange: self.publication.exchange.to_string(), key: self.publication.key.to_string() }
    }
}

/// Hands messages to the task that owns the publishing channel.
pub(super) struct Publisher {
    session: Arc<Session>,
    pending: mpsc::Sender<Pending>,
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    pub(super) ceiling: Arc<Ceiling>,
}

impl Publisher {
    pub(super) fn new(session: Arc<Session>) -> (Self, mpsc::Receiver<Pending>) {
        // As large as the window, so that this channel is never the limit.
        let (pending, receiver) = mpsc::channel(PUBLISH_WINDOW_MESSAGES);
        let messages = Arc::new(Semaphore::new(PUBLISH_WINDOW_MESSAGES));
        let bytes = Arc::new(Semaphore::new(PUBLISH_WINDOW_BYTES));
        (Self { session, pending, messages, bytes, ceiling: Arc::default() }, receiver)
    }

    /// Waits for room in the window, then for the broker's answer.
    pub(super) async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
        let bytes = message.body.len();
        if bytes > message.bytes_max() {
            return Err(PublishError::TooLarge(Oversize { bytes, words: None }));
        }
        if let Some(words) = self.ceiling.over(bytes) {
            return Err(PublishError::TooLarge(Oversize { bytes, words: Some(words) }));
        }
        let publication = Publication {
            exchange: short("an exchange's name", exchange)?,
            key: short("a routing key", key)?,
            properties: of_message(&message)?,
            body: message.body,
        };
        self.session.unless_closed(self.hand_over(publication)).await
    }

    async fn hand_over(&self, publication: Publication) -> Result<(), PublishError> {
        let bytes = u32::try_from(publication.body.len()).unwrap_or(u32::MAX);
        let message = Arc::clone(&self.messages).acquire_owned().await.map_err(closed)?;
        let room = Arc::clone(&self.bytes).acquire_many_owned(bytes).await.map_err(closed)?;
        let (answer, answered) = oneshot::channel();
        let pending = Pending { publication: Arc::new(publication), suspect: false, answer, _room: [message, room] };
        self.pending.send(pending).await.map_err(closed)?;
        answered.await.map_err(closed)?
    }
}

/// The publishing task ends only when the transport is closed.
fn closed<E>(_: E) -> PublishError {
    TransportError::Closed.into()
}
