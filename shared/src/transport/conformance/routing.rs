//! Cases: published messages arrive complete, and at the queues that their key selects.

use std::sync::Arc;

use super::ground::{Ground, message, within};
use crate::protocol::message::{HeaderValue, Headers, Message};
use crate::protocol::topology::Exchange;
use crate::transport::{PublishError, TransportError};

pub(super) async fn carries_every_property(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 10).await;
    let sent = Message {
        id: "task-1".into(),
        correlation: Some("job-1".into()),
        kind: "kind".into(),
        content_type: "application/octet-stream".into(),
        timestamp: 1_785_000_000,
        app_id: "conformance/1 \u{1f40e}".into(),
        reply_to: Some("reply.key".into()),
        headers: Headers::from([
            ("text".into(), HeaderValue::Text("Zürich \u{1f40e}".into())),
            ("empty".into(), HeaderValue::Text("".into())),
            ("least".into(), HeaderValue::Integer(i64::MIN)),
            ("most".into(), HeaderValue::Integer(i64::MAX)),
            ("yes".into(), HeaderValue::Bool(true)),
            ("no".into(), HeaderValue::Bool(false)),
        ]),
        // Longer than one frame of any broker, with every byte value.
        body: (0..=255).cycle().take(300_000).collect::<Vec<u8>>().into(),
        is_transient: true,
        untrusted: None,
    };
    ground.publish(&exchange, "a.key-of_its.own", sent.clone()).await.expect("published");
    let delivery = consumer.receive().await;
    assert!(delivery.message.body == sent.body, "the body differs");
    assert_eq!(*delivery.message, sent);
    assert_eq!((&*delivery.key, delivery.is_redelivered()), ("a.key-of_its.own", false));
    delivery.acker.ack().await;
}

pub(super) async fn carries_a_bare_message(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 10).await;
    ground.publish(&exchange, "key", Message::default()).await.expect("published");
    assert_eq!(*consumer.receive().await.message, Message::default());
}

pub(super) async fn words_select_queues(ground: Arc<Ground>) {
    let exchange = ground.exchange("exchange");
    let patterns = ["digest.root.*", "*.*.main", "digest.#", "#.main", "#", "digest.root.main"];
    let queues: Vec<_> = (0..patterns.len()).map(|number| ground.queue(&format!("queue{number}"))).collect();
    let bound: Vec<_> = queues.iter().zip(patterns).map(|(queue, pattern)| (queue, &exchange, pattern)).collect();
    ground.declare(&[&exchange], &queues.iter().collect::<Vec<_>>(), &bound).await;
    let keys = ["digest.root.main", "digest.root.other", "words.root.main", "digest", "main", "digest.a.b.c"];
    for (number, key) in keys.into_iter().enumerate() {
        ground.publish(&exchange, key, message(number)).await.expect("published");
    }
    let expected: [&[usize]; 6] = [&[0, 1], &[0, 2], &[0, 1, 3, 5], &[0, 2, 4], &[0, 1, 2, 3, 4, 5], &[0]];
    for ((queue, pattern), expected) in queues.iter().zip(patterns).zip(expected) {
        ground.stands(queue, expected.len() as u32, 0).await;
        let mut consumer = ground.subscribe(queue, 10).await;
        for &number in expected {
            let delivery = consumer.receive().await;
            assert_eq!((&*delivery.message.id, &*delivery.key), (&*number.to_string(), keys[number]), "{pattern}");
        }
    }
}

pub(super) async fn each_queue_gets_one_copy(ground: Arc<Ground>) {
    let (exchange, one, other) = (ground.exchange("exchange"), ground.queue("one"), ground.queue("other"));
    let bound =
        [(&one, &exchange, "a.*"), (&one, &exchange, "*.b"), (&one, &exchange, "a.*"), (&other, &exchange, "#")];
    ground.declare(&[&exchange], &[&one, &other], &bound).await;
    for number in 0..3 {
        ground.publish(&exchange, "a.b", message(number)).await.expect("published");
    }
    for queue in [&one, &other] {
        ground.stands(queue, 3, 0).await;
        ground.subscribe(queue, 10).await.expect(0..3).await;
    }
}

pub(super) async fn the_alternate_gets_what_is_unroutable(ground: Arc<Ground>) {
    let (alternate, queue, unrouted) = (ground.exchange("alternate"), ground.queue("queue"), ground.queue("unrouted"));
    let exchange = Exchange { alternate: Some(alternate.name.clone()), ..ground.exchange("exchange") };
    let bound = [(&queue, &exchange, "known"), (&unrouted, &alternate, "#")];
    ground.declare(&[&alternate, &exchange], &[&queue, &unrouted], &bound).await;
    ground.publish(&exchange, "known", message(0)).await.expect("published");
    ground.publish(&exchange, "un.known", message(1)).await.expect("published");
    let mut consumer = ground.subscribe(&unrouted, 10).await;
    assert_eq!(&*consumer.expect(1..2).await[0].key, "un.known");
    ground.subscribe(&queue, 10).await.expect(0..1).await;
}

pub(super) async fn unroutable_without_alternate_is_no_error(ground: Arc<Ground>) {
    let (exchange, queue) = (ground.exchange("exchange"), ground.queue("queue"));
    ground.declare(&[&exchange], &[&queue], &[(&queue, &exchange, "known")]).await;
    ground.publish(&exchange, "unknown", message(0)).await.expect("goes nowhere, and is no error");
    ground.publish(&exchange, "known", message(1)).await.expect("published");
    ground.subscribe(&queue, 10).await.expect(1..2).await;
}

pub(super) async fn an_unknown_exchange_is_an_error(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let error =
        ground.publish(&ground.exchange("none"), "key", message(0)).await.expect_err("there is no such exchange");
    assert!(matches!(error, PublishError::Transport(TransportError::Other { .. })), "{error:?}");
    // One caller's error must not affect other callers.
    ground.send(&exchange, 1..2).await;
    let mut consumer = ground.subscribe(&queue, 10).await;
    within("the next message", consumer.expect(1..2)).await;
}
