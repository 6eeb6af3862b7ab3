//! Cases: full queues and large messages.

use std::sync::Arc;

use bytes::Bytes;

use super::WAIT;
use super::ground::{Ground, message};
use crate::protocol::limits::MESSAGE_BYTES_MAX;
use crate::protocol::message::Message;
use crate::protocol::topology::{Exchange, Overflow, Queue, QueueKind};
use crate::transport::{Oversize, PublishError};

/// Messages over its limit that a queue with an inexact limit may accept, at most.
const OVERSHOOT_MAX: usize = 2_000;

fn classic(queue: Queue) -> Queue {
    Queue { kind: QueueKind::Classic, delivery_limit: None, ..queue }
}

/// Publishes numbered messages until one is refused; returns its number.
async fn fill(ground: &Ground, exchange: &Exchange, bytes: usize) -> usize {
    for number in 0..OVERSHOOT_MAX {
        let full = Message { body: vec![0; bytes].into(), ..message(number) };
        match ground.publish(exchange, "some.key", full).await {
            Ok(()) => {}
            Err(PublishError::Refused { exchange: at, key }) => {
                assert_eq!((at, key.as_str()), (exchange.name.clone(), "some.key"));
                return number;
            }
            Err(error) => panic!("neither taken nor refused: {error}"),
        }
    }
    panic!("a queue took {OVERSHOOT_MAX} messages over its limit");
}

pub(super) async fn a_full_queue_refuses_exactly(ground: Arc<Ground>) {
    const MAX: usize = 16;
    let exchange = ground.exchange("exchange");
    let queue = Queue { messages_max: Some(MAX as u32), ..classic(ground.queue("queue")) };
    ground.all_from(&exchange, &[&queue]).await;
    let taken = fill(&ground, &exchange, 10).await;
    if ground.features().exact_length_limit {
        assert_eq!(taken, MAX, "the 17th is the first that a queue of 16 refuses");
    }
    ground.stands(&queue, taken as u32, 0).await;
    // The refused message is not in the queue, and there is room again after a delivery.
    let mut consumer = ground.subscribe(&queue, 1).await;
    let deadline = tokio::time::Instant::now() + WAIT;
    while let Err(error) = ground.publish(&exchange, "some.key", message(taken)).await {
        assert!(matches!(error, PublishError::Refused { .. }), "{error}");
        assert!(tokio::time::Instant::now() < deadline, "still refused {WAIT:?} after a delivery");
        tokio::task::yield_now().await;
    }
    for number in 0..=taken {
        for delivery in consumer.expect(number..number + 1).await {
            delivery.acker.ack().await;
        }
    }
    ground.stands(&queue, 0, 1).await;
}

pub(super) async fn a_limit_of_bytes_refuses(ground: Arc<Ground>) {
    let exchange = ground.exchange("exchange");
    let queue = Queue { bytes_max: Some(1_000), ..classic(ground.queue("queue")) };
    ground.all_from(&exchange, &[&queue]).await;
    let taken = fill(&ground, &exchange, 300).await;
    if ground.features().exact_length_limit {
        assert_eq!(taken, 3, "1000 bytes hold 3 times 300");
    }
}

pub(super) async fn one_full_queue_refuses_for_all(ground: Arc<Ground>) {
    let (exchange, wide) = (ground.exchange("exchange"), ground.queue("wide"));
    let narrow = Queue { messages_max: Some(1), ..classic(ground.queue("narrow")) };
    ground.all_from(&exchange, &[&narrow, &wide]).await;
    let taken = fill(&ground, &exchange, 10).await;
    // The publish is refused, and yet another queue may have the message.
    ground.stands(&narrow, taken as u32, 0).await;
    ground.stands(&wide, taken as u32 + 1, 0).await;
}

/// Several publishers on several threads get accepted and refused messages in one stream.
pub(super) async fn each_publisher_learns_of_its_own(ground: Arc<Ground>) {
    const PUBLISHERS: usize = 8;
    const EACH: usize = 500;
    let (to_free, to_full, free) = (ground.exchange("to-free"), ground.exchange("to-full"), ground.queue("free"));
    let full = Queue { messages_max: Some(1), ..classic(ground.queue("full")) };
    ground.all_from(&to_free, &[&free]).await;
    ground.all_from(&to_full, &[&full]).await;
    fill(&ground, &to_full, 10).await;
    let publish = |publisher: usize| {
        let (ground, to_free, to_full) = (Arc::clone(&ground), to_free.clone(), to_full.clone());
        tokio::spawn(async move {
            for number in 0..EACH {
                let id = publisher * EACH + number;
                assert_eq!(ground.publish(&to_free, "some.key", message(id)).await, Ok(()));
                let refused = ground.publish(&to_full, "some.key", message(id)).await;
                assert!(matches!(refused, Err(PublishError::Refused { .. })), "{id}: {refused:?}");
            }
        })
    };
    for publisher in (0..PUBLISHERS).map(publish).collect::<Vec<_>>() {
        publisher.await.expect("each learned of its own");
    }
    ground.stands(&free, (PUBLISHERS * EACH) as u32, 0).await;
}

pub(super) async fn drop_head_keeps_the_newest(ground: Arc<Ground>) {
    let (dropped, dead_letters, exchange) =
        (ground.queue("dropped"), ground.exchange("dead-letters"), ground.exchange("exchange"));
    ground.all_from(&dead_letters, &[&dropped]).await;
    let queue = Queue {
        messages_max: Some(3),
        overflow: Overflow::DropHead,
        dead_letter: Some(dead_letters.name),
        ..classic(ground.queue("queue"))
    };
    ground.all_from(&exchange, &[&queue]).await;
    ground.send(&exchange, 0..5).await;
    ground.stands(&queue, 3, 0).await;
    ground.subscribe(&queue, 10).await.expect(2..5).await;
    for delivery in ground.subscribe(&dropped, 10).await.expect(0..2).await {
        assert_eq!(delivery.message.text("x-first-death-reason"), Some("maxlen"));
    }
}

pub(super) async fn too_large_is_refused(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let body = Bytes::from(vec![7; MESSAGE_BYTES_MAX + 1]);
    let over = Message { body: body.clone(), ..message(0) };
    let error = ground.publish(&exchange, "key", over).await.expect_err("over the limit");
    assert_eq!(error, PublishError::TooLarge(Oversize { bytes: MESSAGE_BYTES_MAX + 1, words: None }));
    let most = Message { body: body.slice(1..), ..message(1) };
    ground.publish(&exchange, "key", most).await.expect("at the limit");
    let delivery = ground.subscribe(&queue, 10).await.receive().await;
    assert_eq!((&*delivery.message.id, delivery.message.body.len()), ("1", MESSAGE_BYTES_MAX));
}
