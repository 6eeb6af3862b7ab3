//! The transport inside one process.

/// Exchanges and queues in this process's memory.
#[derive(Debug, Default)]
pub struct Embedded;

impl Embedded {
    /// An empty one.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait::async_trait]
impl super::Transport for Embedded {
    async fn declare(&self, _: &crate::topology::Topology) -> Result<(), super::TransportError> {
        Err(super::TransportError::Closed)
    }
    async fn publish(&self, _: &str, _: &str, _: crate::message::Message) -> Result<(), super::PublishError> {
        Err(super::TransportError::Closed.into())
    }
    async fn subscribe(&self, _: super::Subscribe) -> Result<Box<dyn super::Subscription>, super::TransportError> {
        Err(super::TransportError::Closed)
    }
    async fn queue(&self, _: &str) -> Result<Option<super::QueueState>, super::TransportError> {
        Err(super::TransportError::Closed)
    }
    fn is_ephemeral(&self) -> bool {
        true
    }
    async fn close(&self) {}
}
