//! The suite that every transport passes, over RabbitMQ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared::transport::conformance::Harness;
use shared::transport::rabbitmq::RabbitMq;
use shared::transport::{BrokerUrl, Transport};
use tokio::sync::OnceCell;

use crate::broker::{self, Broker};

/// A broker across a network. What a case declares stays: on the node that tests start it goes with
/// the node; on one given by `AMQP_URL` an operator deletes `conformance.*`.
struct Network(BrokerUrl);

impl Network {
    /// Names differ in every run, so that all cases have room in one virtual host.
    async fn new() -> Self {
        static BROKER: OnceCell<Broker> = OnceCell::const_new();
        Self(BROKER.get_or_init(broker::any).await.url().clone())
    }
}

#[async_trait]
impl Harness for Network {
    async fn connect(&self) -> Arc<dyn Transport> {
        let patience = Some(Duration::from_secs(5));
        Arc::new(RabbitMq::connect(&self.0, patience).await.expect("the broker is there"))
    }
}

shared::conformance_tests!(Network::new().await);
