//! RabbitMQ.

/// A connection.
#[derive(Debug, Default)]
pub struct RabbitMq;

impl RabbitMq {
    /// Connects.
    pub async fn connect(_: &super::BrokerUrl, _: Option<std::time::Duration>) -> Result<Self, super::TransportError> {
        Ok(Self)
    }
}

#[async_trait::async_trait]
impl super::Transport for RabbitMq {
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
        false
    }
    async fn close(&self) {}
}
