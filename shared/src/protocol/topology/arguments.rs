//! Arguments of queues and exchanges, as clients and definitions files declare them.

use super::{Exchange, Overflow, Queue, QueueKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    Text(String),
    Integer(i64),
    Flag(bool),
}

fn text(value: &str) -> Argument {
    Argument::Text(value.to_owned())
}

impl Queue {
    /// Uses only arguments that every RabbitMQ from 3.10 on knows. A broker ignores an unknown
    /// argument silently, or refuses it in later versions (x-queue-mode, x-queue-version).
    pub fn arguments(&self) -> Vec<(&'static str, Argument)> {
        let mut all = Vec::new();
        let quorum = self.kind == QueueKind::Quorum;
        if quorum {
            all.push(("x-queue-type", text("quorum")));
        }
        if let Some(limit) = self.delivery_limit.filter(|_| quorum) {
            all.push(("x-delivery-limit", Argument::Integer(limit.into())));
        }
        if let Some(exchange) = &self.dead_letter {
            // No `x-dead-letter-strategy=at-least-once`: RabbitMQ (3.10.8) has one supervisor per
            // node for all such queues, and deleting a queue while it starts ends that supervisor.
            // From then on no such queue gets a leader until the node restarts. If a dead letter is
            // lost, no consumer has its task, and the owner sends the task again.
            all.push(("x-dead-letter-exchange", text(exchange)));
        }
        // Always set: by default the broker drops messages of a full queue silently.
        let overflow = match self.overflow {
            Overflow::Reject => "reject-publish",
            Overflow::DropHead => "drop-head",
        };
        all.push(("x-overflow", text(overflow)));
        if let Some(messages) = self.messages_max {
            all.push(("x-max-length", Argument::Integer(messages.into())));
        }
        if let Some(bytes) = self.bytes_max {
            all.push(("x-max-length-bytes", Argument::Integer(i64::try_from(bytes).unwrap_or(i64::MAX))));
        }
        if let Some(expires) = self.expires {
            let millis = i64::try_from(expires.as_millis()).unwrap_or(i64::MAX);
            all.push(("x-expires", Argument::Integer(millis)));
        }
        if self.single_active_consumer {
            all.push(("x-single-active-consumer", Argument::Flag(true)));
        }
        all
    }

    /// The arguments that the previous version declared, where they differ. Queues that it declared
    /// stay in use.
    pub fn arguments_before(&self) -> Option<Vec<(&'static str, Argument)>> {
        let was_other = self.kind == QueueKind::Quorum && self.dead_letter.is_some();
        was_other.then(|| {
            let mut all = self.arguments();
            all.push(("x-dead-letter-strategy", text("at-least-once")));
            all
        })
    }
}

impl Exchange {
    pub fn arguments(&self) -> Vec<(&'static str, Argument)> {
        self.alternate.iter().map(|exchange| ("alternate-exchange", text(exchange))).collect()
    }
}
