//! A transport that seals the messages of another transport: see [`crate::protocol::seal`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::{Incoming, Oversize, PublishError, QueueState, Subscribe, Subscription, Transport, TransportError};
use crate::protocol::limits::MESSAGE_BYTES_MAX;
use crate::protocol::message::Message;
use crate::protocol::seal::Keyring;
use crate::protocol::topology::{CONTROL, Topology};

/// Seals published messages and opens received ones.
///
/// A message that does not open is delivered with [`Message::untrusted`] set, and its receiver
/// dead-letters it with the reason. On the control exchange it is dropped instead, with one
/// warning, because a control message is a hint or will be repeated.
pub struct Sealed {
    inner: Arc<dyn Transport>,
    keys: Arc<Keyring>,
    has_warned: Arc<AtomicBool>,
}

impl Sealed {
    /// Without keys, messages travel in clear and received sealed messages do not open.
    pub fn new(inner: Arc<dyn Transport>, keys: Arc<Keyring>) -> Self {
        Self { inner, keys, has_warned: Arc::default() }
    }
}

#[async_trait]
impl Transport for Sealed {
    async fn declare(&self, topology: &Topology) -> Result<(), TransportError> {
        self.inner.declare(topology).await
    }

    async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
        // Report the size that the caller can change, without what sealing adds.
        if message.untrusted.is_none() && message.body.len() > MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge(Oversize { bytes: message.body.len(), words: None }));
        }
        self.inner.publish(exchange, key, self.keys.seal(key, message)).await
    }

    async fn subscribe(&self, subscription: Subscribe) -> Result<Box<dyn Subscription>, TransportError> {
        let is_control = subscription.bindings.iter().any(|binding| binding.exchange == CONTROL);
        let inner = self.inner.subscribe(subscription).await?;
        let (keys, has_warned) = (Arc::clone(&self.keys), Arc::clone(&self.has_warned));
        Ok(Box::new(Opened { inner, keys, is_control, has_warned }))
    }

    async fn queue(&self, name: &str) -> Result<Option<QueueState>, TransportError> {
        self.inner.queue(name).await
    }

    async fn is_polling(&self) -> bool {
        self.inner.is_polling().await
    }

    fn is_ephemeral(&self) -> bool {
        self.inner.is_ephemeral()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

struct Opened {
    inner: Box<dyn Subscription>,
    keys: Arc<Keyring>,
    is_control: bool,
    has_warned: Arc<AtomicBool>,
}

#[async_trait]
impl Subscription for Opened {
    async fn next(&mut self) -> Result<Incoming, TransportError> {
        loop {
            let mut delivery = match self.inner.next().await? {
                Incoming::Delivery(delivery) => delivery,
                Incoming::Interrupted => return Ok(Incoming::Interrupted),
            };
            delivery.message = self.keys.open(&delivery.key, Arc::clone(&delivery.message));
            match &delivery.message.untrusted {
                Some(reason) if self.is_control => {
                    let (kind, id) = (&*delivery.message.kind, &*delivery.message.id);
                    if self.has_warned.swap(true, Ordering::Relaxed) {
                        tracing::debug!(%reason, kind, id, "A control message is ignored.");
                    } else {
                        tracing::warn!(
                            %reason,
                            kind,
                            id,
                            "A control message is ignored; later ones are ignored without a warning."
                        );
                    }
                    // If the wait is cancelled here, the message is redelivered with the next
                    // subscription.
                    delivery.acker.ack().await;
                }
                _ => return Ok(Incoming::Delivery(delivery)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::seal::Key;
    use crate::transport::conformance::{Features, Harness};
    use crate::transport::embedded::Embedded;

    struct Keyed {
        broker: Embedded,
        keys: Arc<Keyring>,
    }

    impl Keyed {
        fn new() -> Self {
            let keys = Key::generate().to_line().parse().expect("a key");
            Self { broker: Embedded::new(), keys: Arc::new(keys) }
        }
    }

    #[async_trait]
    impl Harness for Keyed {
        async fn connect(&self) -> Arc<dyn Transport> {
            Arc::new(Sealed::new(Arc::new(self.broker.connect()), Arc::clone(&self.keys)))
        }

        fn features(&self) -> Features {
            // Sealing makes messages larger than the suite's byte counts.
            Features { reconnects: false, exact_length_limit: false, ephemeral: true }
        }
    }

    crate::conformance_tests!(Keyed::new());
}
