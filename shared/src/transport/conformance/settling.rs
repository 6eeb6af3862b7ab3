//! Cases: deliveries that are acked, requeued or given up.

use std::sync::Arc;

use super::ground::{Ground, message};
use crate::protocol::topology::Queue;

pub(super) async fn ack_removes(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 10).await;
    ground.send(&exchange, 0..5).await;
    let deliveries = consumer.expect(0..5).await;
    for delivery in deliveries {
        delivery.acker.ack().await;
    }
    drop(consumer);
    // Without a consumer, a message that was not removed would be ready again.
    ground.stands(&queue, 0, 0).await;
    ground.send(&exchange, 5..6).await;
    assert!(!ground.subscribe(&queue, 10).await.expect(5..6).await[0].is_redelivered());
}

pub(super) async fn a_dropped_subscription_gives_back(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 3).await;
    ground.send(&exchange, 0..6).await;
    // One message is acked, one held, one in the prefetch or not taken; the rest was never
    // delivered.
    let mut held = consumer.expect(0..2).await;
    held.remove(0).acker.ack().await;
    drop(consumer);
    ground.stands(&queue, 5, 0).await;
    let mut next = ground.subscribe(&queue, 10).await;
    let deliveries = next.expect(1..6).await;
    assert!(deliveries[0].is_redelivered(), "it was delivered before: {deliveries:?}");
    assert!(!deliveries[4].is_redelivered(), "it was beyond the prefetch: {deliveries:?}");
    // The subscription is gone: the late ack must neither fail nor remove the redelivered message.
    for stale in held {
        stale.acker.ack().await;
    }
    drop(deliveries);
    drop(next);
    ground.stands(&queue, 5, 0).await;
}

pub(super) async fn a_forgotten_delivery_stays_unacked(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 1).await;
    ground.send(&exchange, 0..2).await;
    drop(consumer.receive().await);
    consumer.is_silent().await;
    drop(consumer);
    let deliveries = ground.subscribe(&queue, 10).await.expect(0..2).await;
    assert_eq!((deliveries[0].is_redelivered(), deliveries[1].is_redelivered()), (true, false));
}

pub(super) async fn nack_requeues(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 1).await;
    ground.send(&exchange, 0..3).await;
    let first = consumer.receive().await;
    assert!(!first.is_redelivered());
    first.acker.nack(true).await;
    for number in 0..3 {
        for delivery in consumer.expect(number..number + 1).await {
            assert_eq!(delivery.is_redelivered(), number == 0);
            assert_eq!(&*delivery.key, "some.key");
            delivery.acker.ack().await;
        }
    }
    ground.stands(&queue, 0, 1).await;
}

pub(super) async fn returns_are_counted(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    ground.send(&exchange, 0..1).await;
    // Returns come from ended subscriptions, as after crashes, because brokers differ in whether a
    // nack counts.
    for returns in 0..4 {
        let mut consumer = ground.subscribe(&queue, 1).await;
        let delivery = consumer.receive().await;
        assert_eq!((delivery.returns, delivery.is_redelivered()), (returns, returns > 0));
        assert_eq!(delivery.message.headers, message(0).headers, "the broker's own stays with the broker");
    }
}

/// An exchange and a queue for dead letters, and a queue that the dead letters come from.
async fn with_dead_letters(
    ground: &Ground,
    delivery_limit: Option<u32>,
) -> (crate::protocol::topology::Exchange, Queue, Queue) {
    let (dead_letters, dead) = (ground.exchange("dead-letters"), ground.queue("dead"));
    ground.all_from(&dead_letters, &[&dead]).await;
    let exchange = ground.exchange("exchange");
    let queue = Queue { dead_letter: Some(dead_letters.name), delivery_limit, ..ground.queue("queue") };
    ground.all_from(&exchange, &[&queue]).await;
    (exchange, queue, dead)
}

pub(super) async fn nack_dead_letters(ground: Arc<Ground>) {
    let (exchange, queue, dead) = with_dead_letters(&ground, None).await;
    let sent = message(0).with_text("kept", "header").with_integer("number", 7);
    ground.publish(&exchange, "a.key.kept", sent.clone()).await.expect("published");
    let mut consumer = ground.subscribe(&queue, 1).await;
    consumer.receive().await.acker.nack(false).await;
    let delivery = ground.subscribe(&dead, 1).await.receive().await;
    assert_eq!(&*delivery.key, "a.key.kept");
    assert_eq!(delivery.message.text("x-first-death-reason"), Some("rejected"));
    assert_eq!((&delivery.message.id, &delivery.message.body), (&sent.id, &sent.body));
    assert_eq!((delivery.message.text("kept"), delivery.message.integer("number")), (Some("header"), Some(7)));
    ground.stands(&queue, 0, 1).await;
}

pub(super) async fn the_delivery_limit_dead_letters(ground: Arc<Ground>) {
    const LIMIT: u32 = 2;
    let (exchange, queue, dead) = with_dead_letters(&ground, Some(LIMIT)).await;
    let mut morgue = ground.subscribe(&dead, 1).await;
    ground.publish(&exchange, "a.key.kept", message(0)).await.expect("published");
    // Returns come from ended subscriptions, as after crashes, because brokers differ in whether a
    // nack counts.
    let mut deliveries = 0;
    let delivery = loop {
        let mut consumer = ground.subscribe(&queue, 1).await;
        tokio::select! {
            biased;
            delivery = morgue.receive() => break delivery,
            _ = consumer.receive() => deliveries += 1,
        }
        assert!(deliveries <= LIMIT + 1, "delivered {deliveries} times with a limit of {LIMIT}");
    };
    assert!(deliveries >= LIMIT, "given up after {deliveries} deliveries with a limit of {LIMIT}");
    assert_eq!((&*delivery.message.id, &*delivery.key), ("0", "a.key.kept"));
    assert_eq!(delivery.message.text("x-first-death-reason"), Some("delivery_limit"));
}
