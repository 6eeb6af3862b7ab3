//! The conformance suite, and properties of this transport beyond it: exact numbers and places.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Embedded;
use crate::protocol::limits;
use crate::protocol::message::Message;
use crate::protocol::payload::Payload;
use crate::protocol::topology::{Binding, Exchange, Overflow, Queue, QueueKind, Topology};
use crate::transport::{Delivery, Incoming, PublishError, Subscribe, Subscription, Transport, TransportError};

mod conformance {
    use super::*;
    use crate::transport::conformance::{Features, Harness};

    #[async_trait::async_trait]
    impl Harness for Embedded {
        async fn connect(&self) -> Arc<dyn Transport> {
            Arc::new(Embedded::connect(self))
        }

        fn features(&self) -> Features {
            Features { reconnects: false, exact_length_limit: true, ephemeral: true }
        }
    }

    crate::conformance_tests!(Embedded::new());
}

fn queue(name: &str) -> Queue {
    Queue {
        name: name.to_owned(),
        kind: QueueKind::Quorum,
        messages_max: None,
        bytes_max: None,
        overflow: Overflow::Reject,
        dead_letter: None,
        delivery_limit: None,
        single_active_consumer: false,
        expires: None,
    }
}

/// For each queue, an exchange of the same name that gives it every message.
async fn broker(queues: &[Queue]) -> Embedded {
    let embedded = Embedded::new();
    let name = |queue: &Queue| queue.name.clone();
    let topology = Topology {
        exchanges: queues.iter().map(|queue| Exchange { name: name(queue), alternate: None }).collect(),
        queues: queues.to_vec(),
        bindings: queues
            .iter()
            .map(|queue| Binding { queue: name(queue), exchange: name(queue), key: "#".to_owned() })
            .collect(),
    };
    embedded.declare(&topology).await.expect("declares");
    embedded
}

async fn publish(embedded: &Embedded, exchange: &str, number: usize) -> Result<(), PublishError> {
    let message = Message::new("test", number.to_string(), Payload::bytes(vec![0; 10]), SystemTime::UNIX_EPOCH);
    embedded.publish(exchange, "a.b", message).await
}

async fn subscribe(embedded: &Embedded, queue: &Queue, prefetch: u16) -> Box<dyn Subscription> {
    let subscribe = Subscribe { queue: queue.clone(), bindings: Vec::new(), prefetch };
    embedded.subscribe(subscribe).await.expect("subscribes")
}

async fn receive(subscription: &mut Box<dyn Subscription>) -> Delivery {
    match tokio::time::timeout(Duration::from_secs(10), subscription.next()).await {
        Ok(Ok(Incoming::Delivery(delivery))) => *delivery,
        other => panic!("no delivery within 10 s: {other:?}"),
    }
}

async fn ready(embedded: &Embedded, queue: &str) -> u32 {
    embedded.queue(queue).await.expect("open").expect("exists").ready
}

#[tokio::test]
async fn consumers_take_turns() {
    let spec = queue("q");
    let embedded = broker(std::slice::from_ref(&spec)).await;
    let mut consumers = Vec::new();
    for _ in 0..3 {
        consumers.push(subscribe(&embedded, &spec, 4).await);
    }
    for number in 0..15 {
        publish(&embedded, "q", number).await.expect("published");
    }
    assert_eq!(ready(&embedded, "q").await, 3, "prefetch is full");
    for (at, consumer) in consumers.iter_mut().enumerate() {
        for round in 0..4 {
            assert_eq!(receive(consumer).await.message.id.to_string(), (round * 3 + at).to_string());
        }
    }
}

#[tokio::test]
async fn what_goes_back_takes_its_old_place() {
    let spec = queue("q");
    let embedded = broker(std::slice::from_ref(&spec)).await;
    for number in 0..6 {
        publish(&embedded, "q", number).await.expect("published");
    }
    // Message 0 is at one consumer, 1 at the other; the rest was never delivered.
    let (mut one, mut other) = (subscribe(&embedded, &spec, 1).await, subscribe(&embedded, &spec, 1).await);
    let (first, second) = (receive(&mut one).await, receive(&mut other).await);
    drop(second);
    drop(other);
    drop(first);
    drop(one);
    let mut last = subscribe(&embedded, &spec, 10).await;
    for number in 0..6 {
        let delivery = receive(&mut last).await;
        assert_eq!(delivery.message.id.to_string(), number.to_string());
        assert_eq!(delivery.is_redelivered(), number < 2);
    }
}

#[tokio::test]
async fn a_forgotten_acker_keeps_its_place_in_the_prefetch() {
    let spec = queue("q");
    let embedded = broker(std::slice::from_ref(&spec)).await;
    let mut consumer = subscribe(&embedded, &spec, 2).await;
    for number in 0..3 {
        publish(&embedded, "q", number).await.expect("published");
    }
    drop(receive(&mut consumer).await);
    let second = receive(&mut consumer).await;
    assert_eq!(ready(&embedded, "q").await, 1);
    second.acker.ack().await;
    assert_eq!(&*receive(&mut consumer).await.message.id, "2");
}

#[tokio::test]
async fn the_delivery_limit_is_exact() {
    let source = Queue { delivery_limit: Some(2), dead_letter: Some("dead".to_owned()), ..queue("q") };
    let dead = Queue { messages_max: Some(0), ..queue("dead") };
    let embedded = broker(&[source.clone(), dead.clone()]).await;
    publish(&embedded, "q", 0).await.expect("published");
    for _ in 0..3 {
        assert_eq!(ready(&embedded, "dead").await, 0);
        drop(subscribe(&embedded, &source, 1).await);
    }
    assert_eq!(ready(&embedded, "q").await, 0);
    assert_eq!(ready(&embedded, "dead").await, 1, "a dead letter was admitted once: no limit refuses it");
    let delivery = receive(&mut subscribe(&embedded, &dead, 1).await).await;
    assert_eq!(delivery.message.text("x-first-death-reason"), Some("delivery_limit"));
    assert_eq!((&*delivery.key, delivery.is_redelivered()), ("a.b", false));
}

#[tokio::test]
async fn dead_letters_in_a_circle_end() {
    let circle = |name: &str, to: &str| Queue {
        messages_max: Some(1),
        overflow: Overflow::DropHead,
        dead_letter: Some(to.to_owned()),
        ..queue(name)
    };
    let embedded = broker(&[circle("a", "b"), circle("b", "a")]).await;
    for number in 0..10 {
        publish(&embedded, "a", number).await.expect("published");
    }
    assert_eq!((ready(&embedded, "a").await, ready(&embedded, "b").await), (1, 1));
}

#[tokio::test]
async fn limits_count_bytes_and_only_what_is_ready() {
    let spec = Queue { bytes_max: Some(25), ..queue("q") };
    let embedded = broker(std::slice::from_ref(&spec)).await;
    publish(&embedded, "q", 0).await.expect("10 bytes");
    publish(&embedded, "q", 1).await.expect("20 bytes");
    publish(&embedded, "q", 2).await.expect_err("30 bytes");
    let _consumer = subscribe(&embedded, &spec, 1).await;
    publish(&embedded, "q", 2).await.expect("20 bytes ready, 10 delivered");
}

#[tokio::test]
async fn a_queue_in_memory_stays_small_whatever_it_was_declared_with() {
    let embedded = broker(&[queue("q")]).await;
    let large = || Message { body: vec![0; limits::MESSAGE_BYTES_MAX].into(), ..Message::default() };
    for _ in 0..limits::MEMORY_QUEUE_BYTES_MAX / limits::MESSAGE_BYTES_MAX as u64 {
        embedded.publish("q", "a.b", large()).await.expect("it has room");
    }
    let refused = embedded.publish("q", "a.b", large()).await;
    assert!(matches!(refused, Err(PublishError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn exclusive_queues_end_with_their_subscription() {
    let embedded = broker(&[queue("other")]).await;
    let spec = Queue { kind: QueueKind::Exclusive, ..queue("mine") };
    let unbound = Binding { queue: "mine".to_owned(), exchange: "none".to_owned(), key: "#".to_owned() };
    let wrong = Subscribe { queue: spec.clone(), bindings: vec![unbound], prefetch: 1 };
    let error = embedded.subscribe(wrong).await.err().expect("no such exchange");
    assert!(matches!(error, TransportError::Other { .. }), "{error}");
    assert_eq!(embedded.queue("mine").await, Ok(None), "a subscribe that failed leaves no queue");

    let subscription = subscribe(&embedded, &spec, 1).await;
    let again = Subscribe { queue: spec.clone(), bindings: Vec::new(), prefetch: 1 };
    let error = embedded.subscribe(again).await.err().expect("taken");
    assert!(matches!(error, TransportError::Occupied { .. }), "{error}");
    drop(subscription);
    assert_eq!(embedded.queue("mine").await, Ok(None));

    let connection = embedded.connect();
    connection.declare(&Topology { queues: vec![spec], ..Topology::default() }).await.expect("declares");
    assert!(embedded.queue("mine").await.expect("open").is_some());
    drop(connection);
    assert_eq!(embedded.queue("mine").await, Ok(None), "and with the handle that declared it");
}

#[tokio::test]
async fn closing_one_handle_leaves_the_others() {
    let spec = queue("q");
    let embedded = broker(std::slice::from_ref(&spec)).await;
    let other = embedded.connect();
    publish(&embedded, "q", 0).await.expect("published");
    let mut theirs = subscribe(&other, &spec, 1).await;
    let delivery = receive(&mut theirs).await;
    other.close().await;
    assert!(matches!(theirs.next().await, Err(TransportError::Closed)));
    assert_eq!(publish(&other, "q", 1).await, Err(TransportError::Closed.into()));
    delivery.acker.ack().await;
    let mut ours = subscribe(&embedded, &spec, 1).await;
    assert!(receive(&mut ours).await.is_redelivered(), "an ack after the close is stale");
}

#[tokio::test]
async fn a_close_counts_as_one_return_however_many_consumers_it_ends() {
    let spec = Queue { delivery_limit: Some(1), ..queue("q") };
    let embedded = broker(std::slice::from_ref(&spec)).await;
    let other = embedded.connect();
    let mut consumers = Vec::new();
    for _ in 0..5 {
        consumers.push(subscribe(&other, &spec, 1).await);
    }
    publish(&embedded, "q", 0).await.expect("published");
    other.close().await;
    assert_eq!(ready(&embedded, "q").await, 1, "not passed on among those that end");
}

#[tokio::test]
async fn roles_share_one_handle_on_one_thread() {
    // The publisher and the consumer never have to wait, and neither starves the other.
    let spec = Queue { messages_max: Some(16), ..queue("q") };
    let embedded: Arc<dyn Transport> = Arc::new(broker(std::slice::from_ref(&spec)).await);
    let publisher = tokio::spawn({
        let embedded = embedded.clone();
        async move {
            let mut number = 0;
            while number < 5_000 {
                let message = Message { id: number.to_string().into(), ..Message::default() };
                match embedded.publish("q", "k", message).await {
                    Ok(()) => number += 1,
                    Err(PublishError::Refused { .. }) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let subscribe = Subscribe { queue: spec, bindings: Vec::new(), prefetch: 8 };
    let mut subscription = embedded.subscribe(subscribe).await.expect("subscribes");
    for number in 0..5_000 {
        let delivery = receive(&mut subscription).await;
        assert_eq!(delivery.message.id.to_string(), number.to_string());
        delivery.acker.ack().await;
    }
    publisher.await.expect("no panic");
}
