//! Queues that go while they are used.

use super::*;

#[tokio::test]
async fn a_queue_deleted_under_its_consumer_is_made_again() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Quorum));
    transport.declare(&topology(&queue)).await.expect("declared");
    let mut subscription = subscribe(&transport, &queue, 10).await;
    broker.delete_queue(QUEUE).await;
    assert!(matches!(incoming(&mut subscription).await, Incoming::Interrupted));
    transport.publish(EXCHANGE, "k", message(1)).await.expect("published");
    assert_eq!(delivery(&mut subscription).await.message.id.as_ref(), "1");
    transport.close().await;
}

/// RabbitMQ tells its consumers nothing of it, and hands out as many messages as they may hold to nobody.
#[tokio::test]
async fn a_queue_deleted_and_made_again_at_once_has_its_consumers_again() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Quorum));
    transport.declare(&topology(&queue)).await.expect("declared");
    let mut subscription = subscribe(&transport, &queue, 1).await;
    broker.remake_queue(QUEUE).await;
    transport.declare(&topology(&queue)).await.expect("its bindings");
    for id in 1..=3 {
        transport.publish(EXCHANGE, "k", message(id)).await.expect("published");
    }
    assert!(matches!(incoming(&mut subscription).await, Incoming::Interrupted));
    let mut ids = BTreeSet::new();
    for _ in 1..=3 {
        let delivery = delivery(&mut subscription).await;
        ids.insert(delivery.message.id.clone());
        delivery.acker.ack().await;
    }
    assert_eq!(ids.len(), 3);
    transport.close().await;
}

#[tokio::test]
async fn an_emptied_broker_gets_its_queues_back_before_the_next_message() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Quorum));
    transport.declare(&topology(&queue)).await.expect("declared");
    broker.empty().await;
    transport.publish(EXCHANGE, "k", message(1)).await.expect("published");
    let mut subscription = subscribe(&transport, &queue, 10).await;
    assert_eq!(delivery(&mut subscription).await.message.id.as_ref(), "1");
    transport.close().await;
}
