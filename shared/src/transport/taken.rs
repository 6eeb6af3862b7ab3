//! Publishes a message that must arrive: again, until a queue accepts it.

use tokio::time::Instant;

use super::{Oversize, PublishError, Transport, TransportError};
use crate::protocol::limits;
use crate::protocol::message::Message;
use crate::protocol::topology;
use crate::system::random::{self, Jitter};

#[derive(Debug)]
pub enum Unpublished {
    TooLarge(Oversize),
    /// The transport has failed.
    Transport(TransportError),
}

/// Publishes until a queue accepts the message; a full queue is back-pressure. `message` makes the
/// message again for each try, with the current time.
pub async fn until_taken(
    transport: &dyn Transport,
    exchange: &str,
    key: &str,
    message: impl Fn() -> Message,
) -> Result<(), Unpublished> {
    // Most messages are taken at once.
    let mut jitter = None;
    let (mut failures, since) = (0, Instant::now());
    let mut said = false;
    loop {
        match transport.publish(exchange, key, message()).await {
            Ok(()) => return Ok(()),
            Err(PublishError::Refused { .. }) => {
                failures += 1;
                if since.elapsed() > limits::FULL_NOTICE && !std::mem::replace(&mut said, true) {
                    let seconds = limits::FULL_NOTICE.as_secs();
                    tracing::warn!(
                        exchange,
                        key,
                        "A queue has refused a message for {seconds} s: it is full. Waiting."
                    );
                }
                let jitter = jitter.get_or_insert_with(|| Jitter::new(random::seed()));
                let wait = jitter.back_off(limits::REFUSED_DELAY, limits::REFUSED_DELAY_MAX, failures);
                tokio::time::sleep(wait).await;
            }
            Err(PublishError::TooLarge(oversize)) => return Err(Unpublished::TooLarge(oversize)),
            Err(PublishError::Transport(error)) => return Err(Unpublished::Transport(error)),
        }
    }
}

/// Publishes a dead letter. If the message is too large, only its envelope is published, as a
/// trace.
pub async fn dead_letter(transport: &dyn Transport, key: &str, mut dead_letter: Message) -> Result<(), TransportError> {
    loop {
        match until_taken(transport, topology::DEAD, key, || dead_letter.clone()).await {
            Ok(()) => return Ok(()),
            Err(Unpublished::TooLarge(oversize)) if dead_letter.body.is_empty() => {
                let cause = oversize.to_string();
                return Err(TransportError::Other { action: "publishing a dead letter".to_owned(), cause });
            }
            Err(Unpublished::TooLarge(_)) => dead_letter.body = bytes::Bytes::new(),
            Err(Unpublished::Transport(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};
    use std::time::UNIX_EPOCH;

    use async_trait::async_trait;

    use super::super::{QueueState, Subscribe, Subscription};
    use super::*;
    use crate::protocol::topology::Topology;

    /// A broker whose queue is full at first and then refuses any body as too large.
    #[derive(Default)]
    struct Full {
        refusals: Mutex<u32>,
        taken: Mutex<Vec<Message>>,
    }

    #[async_trait]
    impl Transport for Full {
        async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if *refusals > 0 {
                *refusals -= 1;
                return Err(PublishError::Refused { exchange: exchange.to_owned(), key: key.to_owned() });
            }
            if !message.body.is_empty() {
                return Err(PublishError::TooLarge(Oversize { bytes: message.body.len(), words: None }));
            }
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            Ok(())
        }

        async fn declare(&self, _: &Topology) -> Result<(), TransportError> {
            Ok(())
        }

        async fn subscribe(&self, _: Subscribe) -> Result<Box<dyn Subscription>, TransportError> {
            Err(TransportError::Closed)
        }

        async fn queue(&self, _: &str) -> Result<Option<QueueState>, TransportError> {
            Ok(None)
        }

        fn is_ephemeral(&self) -> bool {
            true
        }

        async fn close(&self) {}
    }

    fn message(body: &str) -> Message {
        let mut message = Message::json("outcome", "1".to_owned(), &(), UNIX_EPOCH);
        message.body = bytes::Bytes::copy_from_slice(body.as_bytes());
        message
    }

    #[tokio::test]
    async fn what_a_full_queue_refuses_is_tried_again_and_what_is_too_large_is_not() {
        let full = Full { refusals: Mutex::new(3), ..Full::default() };
        assert!(until_taken(&full, "e", "k", || message("")).await.is_ok());
        let refused = until_taken(&full, "e", "k", || message("large")).await;
        assert!(matches!(refused, Err(Unpublished::TooLarge(Oversize { bytes: 5, .. }))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_dead_letter_that_is_too_large_leaves_its_envelope() {
        let full = Full { refusals: Mutex::new(1), ..Full::default() };
        dead_letter(&full, "refused", message("large")).await.expect("dead-lettered");
        let taken = full.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(taken, [message("")]);
    }
}
