//! Cases: which consumer gets a message, and in which order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::ground::{Ground, message, within};
use crate::protocol::topology::Queue;

pub(super) async fn keeps_until_a_consumer_comes(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    ground.send(&exchange, 0..20).await;
    ground.stands(&queue, 20, 0).await;
    // Another handle, like another process.
    let other = ground.connect().await;
    let mut consumer = ground.subscribe_over(&other, &queue, 10).await.expect("subscribes");
    for number in 0..20 {
        for delivery in consumer.expect(number..number + 1).await {
            assert!(!delivery.is_redelivered(), "{delivery:?}");
            delivery.acker.ack().await;
        }
    }
    ground.stands(&queue, 0, 1).await;
}

pub(super) async fn keeps_order(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 7).await;
    let publisher = tokio::spawn({
        let ground = ground.clone();
        async move { ground.send(&exchange, 0..100).await }
    });
    for number in 0..100 {
        for delivery in consumer.expect(number..number + 1).await {
            delivery.acker.ack().await;
        }
    }
    publisher.await.expect("the publisher did not panic");
}

pub(super) async fn honours_prefetch(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 3).await;
    ground.send(&exchange, 0..5).await;
    let mut held = consumer.expect(0..3).await;
    ground.stands(&queue, 2, 1).await;
    consumer.is_silent().await;
    held.remove(1).acker.ack().await;
    held.extend(consumer.expect(3..4).await);
    ground.stands(&queue, 1, 1).await;
    consumer.is_silent().await;
    for delivery in held {
        delivery.acker.ack().await;
    }
    consumer.expect(4..5).await;
}

pub(super) async fn consumers_share(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let other = ground.connect().await;
    let mut one = ground.subscribe(&queue, 10).await;
    let mut two = ground.subscribe_over(&other, &queue, 10).await.expect("subscribes");
    let publisher = tokio::spawn({
        let ground = ground.clone();
        async move { ground.send(&exchange, 0..200).await }
    });
    let mut seen = BTreeSet::new();
    let mut counts = [0, 0];
    while seen.len() < 200 {
        let (at, delivery) = within("200 messages at two consumers", async {
            tokio::select! {
                delivery = one.next() => (0, delivery),
                delivery = two.next() => (1, delivery),
            }
        })
        .await;
        counts[at] += 1;
        assert!(!delivery.is_redelivered() && seen.insert(delivery.message.id.clone()), "twice: {delivery:?}");
        delivery.acker.ack().await;
    }
    publisher.await.expect("the publisher did not panic");
    assert!(counts.iter().all(|&count| count > 0), "one consumer got nothing: {counts:?}");
    ground.stands(&queue, 0, 2).await;
}

pub(super) async fn a_single_consumer_is_active(ground: Arc<Ground>) {
    let exchange = ground.exchange("exchange");
    let queue = Queue { single_active_consumer: true, ..ground.queue("queue") };
    ground.all_from(&exchange, &[&queue]).await;
    let mut active = ground.subscribe(&queue, 3).await;
    let other = ground.connect().await;
    let mut waiting = ground.subscribe_over(&other, &queue, 10).await.expect("subscribes");
    ground.send(&exchange, 0..6).await;
    let mut held = active.expect(0..3).await;
    // The active consumer is at its prefetch, and still no other consumer gets the rest.
    waiting.is_silent().await;
    held.remove(0).acker.ack().await;
    active.expect(3..4).await;
    drop(held);
    drop(active);
    // In any order: a broker may make the next consumer active before every message came back.
    let mut left = BTreeSet::new();
    for _ in 1..6 {
        let delivery = waiting.receive().await;
        assert!(delivery.is_redelivered() || ["4", "5"].contains(&&*delivery.message.id), "{delivery:?}");
        left.insert(delivery.message.id.to_string());
    }
    assert_eq!(left, (1..6).map(|number| number.to_string()).collect());
}

pub(super) async fn a_cancelled_next_loses_nothing(ground: Arc<Ground>) {
    const MESSAGES: usize = 200;
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 5).await;
    let publisher = tokio::spawn({
        let ground = ground.clone();
        async move { ground.send(&exchange, 0..MESSAGES).await }
    });
    let (mut number, mut cancelled) = (0, 0);
    within("every message between cancelled waits", async {
        while number < MESSAGES {
            let patience = Duration::from_millis(cancelled % 3);
            let Ok(delivery) = timeout(patience, consumer.next()).await else {
                cancelled += 1;
                continue;
            };
            assert_eq!((&*delivery.message.id, delivery.is_redelivered()), (&*number.to_string(), false));
            delivery.acker.ack().await;
            number += 1;
        }
    })
    .await;
    publisher.await.expect("the publisher did not panic");
    assert_eq!(timeout(Duration::ZERO, consumer.next()).await.err().map(|_| ()), Some(()), "nothing is left");
    ground.stands(&queue, 0, 1).await;
}

pub(super) async fn publishes_at_once_all_arrive(ground: Arc<Ground>) {
    const TASKS: usize = 4;
    const EACH: usize = 500;
    let (exchange, queue) = ground.one().await;
    let mut consumer = ground.subscribe(&queue, 100).await;
    let publishers = (0..TASKS).map(|task| {
        let (transport, exchange) = (ground.transport().clone(), exchange.name.clone());
        tokio::spawn(async move {
            let numbers = task * EACH..(task + 1) * EACH;
            let publishes = numbers.map(|number| transport.publish(&exchange, "some.key", message(number)));
            join_all(publishes).await.into_iter().collect::<Result<Vec<()>, _>>()
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let mut seen = BTreeSet::new();
    while seen.len() < TASKS * EACH {
        let delivery = consumer.receive().await;
        assert!(seen.insert(delivery.message.id.clone()), "twice: {delivery:?}");
        delivery.acker.ack().await;
    }
    for publisher in publishers {
        let published = within("a publisher's confirms", publisher).await.expect("it did not panic");
        assert_eq!(published.expect("published").len(), EACH);
    }
    ground.stands(&queue, 0, 1).await;
}
