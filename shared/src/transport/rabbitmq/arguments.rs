//! Queues and exchanges as AMQP declarations.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::protocol::topology::{Argument, Exchange, Queue, QueueKind};

/// How to declare a queue.
///
/// An exclusive queue is also deleted with its last consumer. Without a consumer it would fill up,
/// and a full queue makes the broker refuse a message for all queues that the message was routed
/// to.
pub(super) fn queue(queue: &Queue) -> (QueueDeclareOptions, FieldTable) {
    (options(queue), table(queue.arguments()))
}

/// How the previous version declared the queue, if differently.
pub(super) fn queue_before(queue: &Queue) -> Option<(QueueDeclareOptions, FieldTable)> {
    queue.arguments_before().map(|arguments| (options(queue), table(arguments)))
}

fn options(queue: &Queue) -> QueueDeclareOptions {
    let exclusive = queue.kind == QueueKind::Exclusive;
    QueueDeclareOptions { durable: !exclusive, exclusive, auto_delete: exclusive, ..QueueDeclareOptions::default() }
}

pub(super) fn exchange(exchange: &Exchange) -> (ExchangeDeclareOptions, FieldTable) {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    (options, table(exchange.arguments()))
}

fn table(arguments: Vec<(&'static str, Argument)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(value) => text(&value),
            Argument::Integer(value) => AMQPValue::LongLongInt(value),
            Argument::Flag(value) => AMQPValue::Boolean(value),
        };
        table.insert(name.into(), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::id::{Class, OwnerId};
    use crate::protocol::topology;
    use crate::protocol::workload::Workload;

    fn names(table: &FieldTable) -> Vec<String> {
        table.inner().keys().map(ToString::to_string).collect()
    }

    #[test]
    fn work_is_durable_bounded_and_dead_lettered() {
        let (tasks, _) = topology::tasks(Workload::Digest, &Class::from_name(b"any"));
        let (options, table) = queue(&tasks);
        assert!(options.durable && !options.exclusive && !options.auto_delete);
        assert!(table.contains_key("x-dead-letter-exchange") && !table.contains_key("x-dead-letter-strategy"));
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
