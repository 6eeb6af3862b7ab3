//! A RabbitMQ in a container, for all tests of this process.

use std::process::Command;
use std::sync::Mutex;

use shared::transport::BrokerUrl;
use testcontainers::core::WaitFor;

use super::LOW_SPIN;
use super::docker::{self, Running};

/// The broker's port in the container.
pub const PORT: u16 = 5672;
/// What it logs once it takes connections.
pub const READY: &str = "Server startup complete";

/// A container, removed with this process or with this value.
pub(super) struct BrokerContainer {
    _container: Box<Mutex<Running>>,
    id: String,
    port: u16,
}

impl BrokerContainer {
    pub(super) fn start() -> Self {
        let name = docker::name("broker");
        let container = docker::start(
            &docker::images().rabbitmq,
            &[],
            |image| {
                let image = image.with_exposed_port(PORT).with_wait_for(WaitFor::message_on_stdout(READY));
                image.with_env_var("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", LOW_SPIN)
            },
            |image| image.with_container_name(name),
        );
        let (id, port) = (container.id().to_owned(), container.get_host_port_ipv4(PORT));
        Self { _container: Box::new(Mutex::new(container)), id, port }
    }

    pub(super) fn url(&self, user: &str, vhost: &str) -> BrokerUrl {
        format!("amqp://{user}@127.0.0.1:{}/{vhost}", self.port).parse().expect("a broker's URL")
    }

    pub(super) fn command(&self, program: &str) -> Command {
        docker::within(&self.id, program)
    }
}
