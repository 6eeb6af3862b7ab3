//! Queues and exchanges in the form of AMQP's declarations.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::topology::{Exchange, Overflow, Queue, QueueKind};

/// How to declare a queue.
///
/// An exclusive queue goes with its last consumer, too: without one it would fill up, and a full
/// queue refuses a message for every other queue that it was routed to.
pub(super) fn queue(queue: &Queue) -> (QueueDeclareOptions, FieldTable) {
    let exclusive = queue.kind == QueueKind::Exclusive;
    let options = QueueDeclareOptions {
        durable: !exclusive,
        exclusive,
        auto_delete: exclusive,
        ..QueueDeclareOptions::default()
    };
    (options, queue_arguments(queue))
}

/// Only arguments that every broker from 3.10 on knows: an unknown one is taken without a word, or
/// refused by later versions (x-queue-mode, x-queue-version).
fn queue_arguments(queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| {
        table.insert(name.into(), value);
    };
    let quorum = queue.kind == QueueKind::Quorum;
    if quorum {
        set("x-queue-type", text("quorum"));
    }
    if let Some(limit) = queue.delivery_limit.filter(|_| quorum) {
        set("x-delivery-limit", integer(limit));
    }
    if let Some(exchange) = &queue.dead_letter {
        set("x-dead-letter-exchange", text(exchange));
        // The broker demands reject-publish for it: dead letters wait in the queue for their confirm.
        if quorum && queue.overflow == Overflow::Reject {
            set("x-dead-letter-strategy", text("at-least-once"));
        }
    }
    // Said always: the broker's own default loses messages without a word.
    let overflow = match queue.overflow {
        Overflow::Reject => "reject-publish",
        Overflow::DropHead => "drop-head",
    };
    set("x-overflow", text(overflow));
    if let Some(messages) = queue.messages_max {
        set("x-max-length", integer(messages));
    }
    if let Some(bytes) = queue.bytes_max {
        set("x-max-length-bytes", AMQPValue::LongLongInt(i64::try_from(bytes).unwrap_or(i64::MAX)));
    }
    if queue.single_active_consumer {
        set("x-single-active-consumer", AMQPValue::Boolean(true));
    }
    table
}

/// How to declare an exchange.
pub(super) fn exchange(exchange: &Exchange) -> (ExchangeDeclareOptions, FieldTable) {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let mut table = FieldTable::default();
    if let Some(alternate) = &exchange.alternate {
        table.insert("alternate-exchange".into(), text(alternate));
    }
    (options, table)
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn integer(value: u32) -> AMQPValue {
    AMQPValue::LongLongInt(i64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Class, OwnerId};
    use crate::topology;
    use crate::workload::Workload;

    fn names(table: &FieldTable) -> Vec<String> {
        table.inner().keys().map(ToString::to_string).collect()
    }

    #[test]
    fn work_is_durable_bounded_and_dead_lettered_at_least_once() {
        let (tasks, _) = topology::tasks(Workload::Digest, &Class::from_name(b"any"));
        let (options, table) = queue(&tasks);
        assert!(options.durable && !options.exclusive && !options.auto_delete);
        let strategy = table.inner().get("x-dead-letter-strategy");
        assert_eq!(strategy, Some(&text("at-least-once")));
        assert_eq!(table.inner().get("x-overflow"), Some(&text("reject-publish")));
        assert!(table.contains_key("x-max-length") && table.contains_key("x-delivery-limit"));
    }

    #[test]
    fn other_kinds_get_no_argument_of_quorum_queues() {
        let (mut own, _) = topology::command_owner(&OwnerId::from_name(b"main"));
        own.delivery_limit = Some(3);
        own.dead_letter = Some("d".to_owned());
        for kind in [QueueKind::Classic, QueueKind::Exclusive] {
            own.kind = kind;
            let (_, table) = queue(&own);
            let wrong = ["x-queue-type", "x-delivery-limit", "x-dead-letter-strategy"];
            assert!(names(&table).iter().all(|name| !wrong.contains(&name.as_str())), "{table:?}");
        }
    }
}
