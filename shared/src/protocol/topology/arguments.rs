//! A queue's and an exchange's arguments, for whoever declares them: a client, or a definitions file.

use super::{Exchange, Overflow, Queue, QueueKind};

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A long string.
    Text(String),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A boolean.
    Flag(bool),
}

fn text(value: &str) -> Argument {
    Argument::Text(value.to_owned())
}

impl Queue {
    /// Only arguments that every broker from 3.10 on knows: an unknown one is taken without a word,
    /// or refused by later versions (x-queue-mode, x-queue-version).
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
            // Not at-least-once. RabbitMQ (3.10.8) has one supervisor for all such queues of a node, and a queue
            // that is deleted while it starts ends it: from then on no such queue gets a leader, until the node
            // is restarted. A dead letter that is lost is a task that nobody has, and the owner sends it again.
            all.push(("x-dead-letter-exchange", text(exchange)));
        }
        // Said always: the broker's own default loses messages without a word.
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
        if self.single_active_consumer {
            all.push(("x-single-active-consumer", Argument::Flag(true)));
        }
        all
    }

    /// The arguments that the version before gave it, where they were others. What it made stays in use.
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
    /// Where unroutable messages go.
    pub fn arguments(&self) -> Vec<(&'static str, Argument)> {
        self.alternate.iter().map(|exchange| ("alternate-exchange", text(exchange))).collect()
    }
}
