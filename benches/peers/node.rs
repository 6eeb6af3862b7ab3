//! A RabbitMQ node of this benchmark's own.

use std::process::Command;

use crate::it::broker::{self, Broker};
use crate::measure::{Role, packhorse};

pub struct Node {
    pub url: String,
    /// Dropping this stops the node.
    _broker: Broker,
}

impl Node {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let broker = runtime.block_on(broker::own());
        // The password of a private node is RabbitMQ's own default, and never shown.
        Self { url: broker.url().to_string().replace("***", "guest"), _broker: broker }
    }

    /// A role that finds the broker by itself.
    pub fn role(&self, arguments: &[&str]) -> Role {
        Role::start(self.known_to(packhorse(arguments)))
    }

    /// A command of Packhorse that finds the broker by itself.
    pub fn known_to(&self, mut command: Command) -> Command {
        command.env("PACKHORSE_BROKER", &self.url);
        command
    }
}
