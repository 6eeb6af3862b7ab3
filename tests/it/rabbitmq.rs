//! The transport over RabbitMQ where it meets faults.

mod deleted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt};
use shared::protocol::limits::MESSAGE_BYTES_MAX;
use shared::protocol::message::Message;
use shared::protocol::payload::Payload;
use shared::protocol::topology::{Binding, Exchange, Overflow, Queue, QueueKind, Topology};
use shared::transport::rabbitmq::RabbitMq;
use shared::transport::{
    BrokerUrl, Delivery, Incoming, Oversize, PublishError, Subscribe, Subscription, Transport, TransportError,
    until_taken,
};

use crate::broker;

/// Longer than anything here takes on a busy machine; a test that reaches it has failed.
const LIMIT: Duration = Duration::from_secs(120);

const EXCHANGE: &str = "it";
const QUEUE: &str = "it.q";

async fn connect(url: &BrokerUrl) -> Arc<RabbitMq> {
    Arc::new(RabbitMq::connect(url, Some(LIMIT)).await.expect("the broker is there"))
}

fn queue(kind: QueueKind) -> Queue {
    Queue {
        name: QUEUE.to_owned(),
        kind,
        messages_max: Some(100_000),
        bytes_max: None,
        overflow: Overflow::Reject,
        dead_letter: None,
        delivery_limit: None,
        single_active_consumer: false,
        expires: None,
    }
}

/// One exchange, one queue, bound by the key `k`.
fn topology(queue: &Queue) -> Topology {
    Topology {
        exchanges: vec![Exchange { name: EXCHANGE.to_owned(), alternate: None }],
        queues: vec![queue.clone()],
        bindings: bindings(),
    }
}

fn bindings() -> Vec<Binding> {
    vec![Binding { queue: QUEUE.to_owned(), exchange: EXCHANGE.to_owned(), key: "k".to_owned() }]
}

fn message(number: usize) -> Message {
    Message::new("test", number.to_string(), Payload::json("{}"), SystemTime::now())
}

async fn subscribe(transport: &RabbitMq, queue: &Queue, prefetch: u16) -> Box<dyn Subscription> {
    let wanted = Subscribe { queue: queue.clone(), bindings: bindings(), prefetch };
    let subscribed = tokio::time::timeout(LIMIT, transport.subscribe(wanted)).await;
    subscribed.expect("the broker answers").expect("subscribed")
}

async fn incoming(subscription: &mut Box<dyn Subscription>) -> Incoming {
    let next = tokio::time::timeout(LIMIT, subscription.next()).await;
    next.expect("something comes").expect("the subscription goes on")
}

async fn delivery(subscription: &mut Box<dyn Subscription>) -> Delivery {
    match incoming(subscription).await {
        Incoming::Delivery(delivery) => *delivery,
        Incoming::Interrupted => panic!("nothing was interrupted"),
    }
}

/// Publishes these all at once; none may fail.
async fn publish_all(transport: &RabbitMq, numbers: std::ops::Range<usize>) {
    let mut answers: FuturesUnordered<_> =
        numbers.map(|number| transport.publish(EXCHANGE, "k", message(number))).collect();
    while let Some(answer) = answers.next().await {
        answer.expect("published");
    }
}

/// Takes and acks until each of 0..`count` was there; says how often it was interrupted.
async fn take_all(subscription: &mut Box<dyn Subscription>, count: usize) -> usize {
    let (mut seen, mut interruptions) = (BTreeSet::new(), 0);
    while seen.len() < count {
        match incoming(subscription).await {
            Incoming::Interrupted => interruptions += 1,
            Incoming::Delivery(delivery) => {
                seen.insert(delivery.message.id.clone());
                delivery.acker.ack().await;
            }
        }
    }
    interruptions
}

/// Publishes 0..`count` beside a consumer while `fault` happens; says how often that was interrupted.
async fn stream_through(url: &BrokerUrl, kind: QueueKind, count: usize, fault: impl Future<Output = ()>) -> usize {
    let transport = connect(url).await;
    let queue = queue(kind);
    transport.declare(&topology(&queue)).await.expect("declared");
    let mut subscription = subscribe(&transport, &queue, 100).await;
    // The last fifth goes when the fault is over, so that the stream cannot end before it.
    let (first, last) = (count / 5, count - count / 5);
    let publishing = async {
        publish_all(&transport, 0..first).await;
        let under_fault = async {
            for start in (first..last).step_by(50) {
                publish_all(&transport, start..last.min(start + 50)).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::join!(under_fault, fault);
        publish_all(&transport, last..count).await;
    };
    let (interruptions, ()) = tokio::join!(take_all(&mut subscription, count), publishing);
    transport.close().await;
    interruptions
}

#[tokio::test]
async fn wrong_credentials_and_virtual_hosts_are_told_apart_at_once() {
    let broker = broker::shared().await;
    let stranger = RabbitMq::connect(&broker.url_as("guest:wr0ng", "%2f"), None).await.err();
    let Some(TransportError::Credentials { user, url, .. }) = stranger else { panic!("{stranger:?}") };
    assert_eq!(user, "guest");
    assert!(!url.contains("wr0ng"), "{url}");
    let nowhere = RabbitMq::connect(&broker.url_as("guest:guest", "none"), None).await.err();
    assert!(matches!(&nowhere, Some(TransportError::VirtualHost { vhost, .. }) if vhost == "none"), "{nowhere:?}");
    let user = broker.user("", "", "").await;
    let other = user.to_string().replace("***", "secret");
    let other = format!("{}/%2f", other.rsplit_once('/').expect("a path").0).parse().expect("a URL");
    let forbidden = RabbitMq::connect(&other, None).await.err();
    assert!(matches!(forbidden, Some(TransportError::VirtualHost { .. })), "{forbidden:?}");
}

#[tokio::test]
async fn an_absent_broker_is_waited_for_within_limits() {
    let broker = broker::absent();
    let started = Instant::now();
    let patience = Duration::from_millis(700);
    let error = RabbitMq::connect(broker.url(), Some(patience)).await.err();
    assert!(matches!(error, Some(TransportError::Unreachable { .. })), "{error:?}");
    assert!(started.elapsed() >= patience && started.elapsed() < patience * 4);
    let (transport, ()) = tokio::join!(RabbitMq::connect(broker.url(), Some(LIMIT)), broker.start());
    transport.expect("the broker is there now").close().await;
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named() {
    let broker = broker::shared().await;
    let transport = connect(broker.url()).await;
    let mut queue = queue(QueueKind::Quorum);
    transport.declare(&topology(&queue)).await.expect("declared");
    transport.declare(&topology(&queue)).await.expect("declared again");
    queue.messages_max = Some(7);
    let error = transport.declare(&topology(&queue)).await.expect_err("other arguments");
    let TransportError::Mismatch { name, cause } = error else { panic!("{error:?}") };
    assert_eq!(name, QUEUE);
    assert!(cause.contains("x-max-length"), "{cause}");
    transport.close().await;
}

#[tokio::test]
async fn a_user_who_may_not_declare_uses_what_exists() {
    let broker = broker::shared().await;
    let (operator, queue) = (connect(broker.url()).await, queue(QueueKind::Quorum));
    let worker = connect(&broker.user("^$", "^it$", "^it").await).await;
    let error = worker.declare(&topology(&queue)).await.expect_err("nothing is there yet");
    assert!(matches!(error, TransportError::Forbidden { .. }), "{error:?}");
    operator.declare(&topology(&queue)).await.expect("declared");
    worker.declare(&topology(&queue)).await.expect("it exists");
    let mut subscription = subscribe(&worker, &queue, 1).await;
    worker.publish(EXCHANGE, "k", message(1)).await.expect("published");
    assert_eq!(delivery(&mut subscription).await.message.id.as_ref(), "1");
    let error = worker.publish("amq.topic", "k", message(2)).await.expect_err("no right to write there");
    assert!(matches!(error, PublishError::Transport(TransportError::Forbidden { .. })), "{error:?}");
    tokio::join!(worker.close(), operator.close());
}

#[tokio::test]
async fn nothing_is_lost_when_connections_are_closed_in_mid_stream() {
    let broker = broker::shared().await;
    let fault = broker.close_connections();
    let interruptions = stream_through(broker.url(), QueueKind::Quorum, 5_000, fault).await;
    assert!(interruptions >= 1);
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_is_killed_in_mid_stream() {
    let broker = broker::own().await;
    let fault = async {
        broker.kill().await;
        broker.start().await;
    };
    let interruptions = stream_through(broker.url(), QueueKind::Classic, 5_000, fault).await;
    assert_eq!(interruptions, 1);
}

/// RabbitMQ 3.10 brings such a queue back without a leader, for good.
#[tokio::test]
async fn a_queue_declared_just_before_the_broker_was_killed_is_usable_again() {
    let broker = broker::own().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Quorum));
    transport.declare(&topology(&queue)).await.expect("declared");
    broker.kill().await;
    broker.start().await;
    let have_come = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn({
        let (transport, have_come) = (Arc::clone(&transport), Arc::clone(&have_come));
        // A queue without a leader confirms nothing on RabbitMQ 3.10, and refuses on 4.0. That one
        // confirms what is published while the queue is deleted and made again, and then it is gone.
        async move {
            while !have_come.load(Ordering::Relaxed) {
                for number in 0..3 {
                    until_taken(&*transport, EXCHANGE, "k", || message(number)).await.expect("published");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
    let mut subscription = subscribe(&transport, &queue, 10).await;
    take_all(&mut subscription, 3).await;
    have_come.store(true, Ordering::Relaxed);
    publishing.await.expect("no publish failed");
    transport.close().await;
}

#[tokio::test]
async fn a_memory_alarm_stops_publishing_and_nothing_else() {
    let broker = broker::own().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Classic));
    transport.declare(&topology(&queue)).await.expect("declared");
    publish_all(&transport, 0..200).await;
    broker.set_memory_alarm(true).await;
    let blocked = tokio::spawn({
        let transport = Arc::clone(&transport);
        async move { publish_all(&transport, 200..400).await }
    });
    let mut subscription = subscribe(&transport, &queue, 10).await;
    take_all(&mut subscription, 200).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!blocked.is_finished(), "published in spite of the alarm");
    broker.set_memory_alarm(false).await;
    take_all(&mut subscription, 200).await;
    tokio::time::timeout(LIMIT, blocked).await.expect("publishing goes on").expect("no publish failed");
    transport.close().await;
}

/// The client library gives a refusal once more to a later channel of the same number.
#[tokio::test]
async fn a_refusal_spoils_no_later_request() {
    let broker = broker::configured("channel_max = 16\n".to_owned()).await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Quorum));
    transport.declare(&topology(&queue)).await.expect("declared");
    for round in 0..40 {
        assert_eq!(transport.queue("it.absent").await, Ok(None), "round {round}");
        let found = transport.queue(QUEUE).await;
        assert!(matches!(found, Ok(Some(_))), "round {round}: {found:?}");
    }
    transport.close().await;
}

#[tokio::test]
async fn an_exclusive_queue_comes_back_empty() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Exclusive));
    let exchange = Topology { queues: Vec::new(), bindings: Vec::new(), ..topology(&queue) };
    transport.declare(&exchange).await.expect("declared");
    let mut subscription = subscribe(&transport, &queue, 1).await;
    publish_all(&transport, 0..2).await;
    let stale = delivery(&mut subscription).await;
    broker.close_connections().await;
    assert!(matches!(incoming(&mut subscription).await, Incoming::Interrupted));
    stale.acker.ack().await;
    publish_all(&transport, 2..3).await;
    assert_eq!(delivery(&mut subscription).await.message.id.as_ref(), "2");
    transport.close().await;
}

#[tokio::test]
async fn an_exclusive_queue_that_a_lost_connection_still_holds_gets_another_name() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Exclusive));
    transport.declare(&Topology { queues: Vec::new(), bindings: Vec::new(), ..topology(&queue) }).await.expect("done");
    broker.close_connections().await;
    // In the place of the lost connection, had the broker not closed it.
    let lost = connect(broker.url()).await;
    let held = subscribe(&lost, &queue, 1).await;
    let mut subscription = subscribe(&transport, &queue, 1).await;
    lost.close().await;
    drop(held);
    publish_all(&transport, 0..1).await;
    assert_eq!(delivery(&mut subscription).await.message.id.as_ref(), "0");
    transport.close().await;
}

#[tokio::test]
async fn a_full_queue_refuses_exactly_what_is_too_much() {
    let broker = broker::shared().await;
    let (transport, mut queue) = (connect(broker.url()).await, queue(QueueKind::Classic));
    queue.messages_max = Some(16);
    transport.declare(&topology(&queue)).await.expect("declared");
    let mut answers: FuturesUnordered<_> =
        (0..50).map(|number| transport.publish(EXCHANGE, "k", message(number))).collect();
    let (mut taken, mut refused) = (0, 0);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(()) => taken += 1,
            Err(PublishError::Refused { exchange, key }) if exchange == EXCHANGE && key == "k" => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((taken, refused), (16, 34));
    let state = transport.queue(QUEUE).await.expect("asked").expect("it is there");
    assert_eq!((state.ready, state.consumers), (16, 0));
    assert_eq!(transport.queue("none").await, Ok(None));
    transport.close().await;
}

#[tokio::test]
async fn what_is_too_large_is_never_sent() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Quorum));
    transport.declare(&topology(&queue)).await.expect("declared");
    let sized = |bytes: usize| Message { body: vec![b' '; bytes].into(), ..message(1) };
    let error = transport.publish(EXCHANGE, "k", sized(MESSAGE_BYTES_MAX + 1)).await;
    assert_eq!(error, Err(PublishError::TooLarge(Oversize { bytes: MESSAGE_BYTES_MAX + 1, words: None })));
    transport.publish(EXCHANGE, "k", sized(MESSAGE_BYTES_MAX)).await.expect("published");
    let mut subscription = subscribe(&transport, &queue, 1).await;
    assert_eq!(delivery(&mut subscription).await.message.body.len(), MESSAGE_BYTES_MAX);
    transport.close().await;
}

#[tokio::test]
async fn a_wrong_exchange_fails_its_own_publisher_alone() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Classic));
    transport.declare(&topology(&queue)).await.expect("declared");
    let wrong = transport.publish("none", "k", message(0));
    let (wrong, ()) = tokio::join!(wrong, publish_all(&transport, 0..200));
    let error = wrong.expect_err("no such exchange");
    assert!(matches!(&error, PublishError::Transport(TransportError::Other { cause, .. }) if cause.contains("none")));
    let mut subscription = subscribe(&transport, &queue, 50).await;
    assert_eq!(take_all(&mut subscription, 200).await, 0);
    transport.close().await;
}

#[tokio::test]
async fn close_leaves_nothing_behind() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Exclusive));
    let exchange = Topology { queues: Vec::new(), bindings: Vec::new(), ..topology(&queue) };
    transport.declare(&exchange).await.expect("declared");
    let mut subscription = subscribe(&transport, &queue, 1).await;
    let rival = connect(broker.url()).await;
    let wanted = Subscribe { queue: queue.clone(), bindings: bindings(), prefetch: 1 };
    assert_eq!(rival.subscribe(wanted).await.err(), Some(TransportError::Occupied { name: QUEUE.to_owned() }));
    assert_eq!((broker.connections().await, broker.queues().await), (4, vec![QUEUE.to_owned()]));
    tokio::join!(transport.close(), rival.close());
    assert_eq!((broker.connections().await, broker.queues().await), (0, Vec::new()));
    assert!(matches!(subscription.next().await, Err(TransportError::Closed)));
    let closed = PublishError::Transport(TransportError::Closed);
    assert_eq!(transport.publish(EXCHANGE, "k", message(1)).await, Err(closed));
    assert_eq!(transport.queue(QUEUE).await, Err(TransportError::Closed));
    assert_eq!(transport.declare(&exchange).await, Err(TransportError::Closed));
}

#[tokio::test]
async fn a_dropped_transport_ends_by_itself() {
    let broker = broker::shared().await;
    let (transport, queue) = (connect(broker.url()).await, queue(QueueKind::Classic));
    transport.declare(&topology(&queue)).await.expect("declared");
    let mut subscription = subscribe(&transport, &queue, 1).await;
    drop(transport);
    assert!(matches!(subscription.next().await, Err(TransportError::Closed)));
    let give_up = Instant::now() + LIMIT;
    while broker.connections().await > 0 {
        assert!(Instant::now() < give_up, "connections stay");
    }
}
