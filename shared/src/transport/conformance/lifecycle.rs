//! Cases: declaring, exclusive ownership, closing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::WAIT;
use super::ground::{Consumer, Ground, binding, message, within};
use crate::protocol::message::Message;
use crate::protocol::topology::{self, Exchange, Queue, QueueKind, Topology};
use crate::protocol::workload::{TaskQueue, Workload, steps};
use crate::transport::{PublishError, Subscribe, Transport, TransportError};

/// How long the light queue of a case may be unused: a quarter of it is longer than a declaration
/// takes on a busy machine.
const EXPIRES: Duration = Duration::from_secs(2);

pub(super) async fn declaring_twice_is_fine(ground: Arc<Ground>) {
    let exchange = Exchange { alternate: Some(ground.name("alternate")), ..ground.exchange("exchange") };
    let queue = Queue { messages_max: Some(100), delivery_limit: Some(5), ..ground.queue("queue") };
    for _ in 0..2 {
        ground.declare(&[&ground.exchange("alternate")], &[], &[]).await;
        ground.all_from(&exchange, &[&queue]).await;
    }
    ground.send(&exchange, 0..1).await;
    let topology = Topology {
        exchanges: vec![exchange.clone()],
        queues: vec![queue.clone()],
        bindings: vec![binding(&queue, &exchange, "#")],
    };
    let other = ground.connect().await;
    within("a declaration", other.declare(&topology)).await.expect("the same again, over another handle");
    ground.stands(&queue, 1, 0).await;
}

pub(super) async fn other_arguments_are_a_mismatch(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let others = [
        Topology { queues: vec![Queue { messages_max: Some(5), ..queue.clone() }], ..Topology::default() },
        Topology {
            queues: vec![Queue { kind: QueueKind::Classic, delivery_limit: None, ..queue.clone() }],
            ..Topology::default()
        },
        Topology {
            exchanges: vec![Exchange { alternate: Some(ground.name("other")), ..exchange.clone() }],
            ..Topology::default()
        },
    ];
    for other in others {
        let error = within("a declaration", ground.transport().declare(&other)).await.expect_err("differs");
        let expected = if other.queues.is_empty() { &exchange.name } else { &queue.name };
        assert!(matches!(&error, TransportError::Mismatch { name, .. } if name == expected), "{error:?}");
    }
    // The transport still works, and nothing was changed.
    ground.send(&exchange, 0..1).await;
    ground.subscribe(&queue, 1).await.expect(0..1).await;
}

pub(super) async fn states_of_queues(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let none = within("a queue's state", ground.transport().queue(&ground.name("none"))).await;
    assert_eq!(none.expect("answers"), None);
    ground.stands(&queue, 0, 0).await;
    ground.send(&exchange, 0..5).await;
    ground.stands(&queue, 5, 0).await;
    let mut consumer = ground.subscribe(&queue, 2).await;
    let held = consumer.expect(0..2).await;
    ground.stands(&queue, 3, 1).await;
    drop(held);
    drop(consumer);
    ground.stands(&queue, 5, 0).await;
}

/// An exclusive queue that gets every message of an exchange.
async fn exclusive(ground: &Ground) -> (Exchange, Subscribe) {
    let exchange = ground.exchange("exchange");
    ground.declare(&[&exchange], &[], &[]).await;
    let (kind, messages_max) = (QueueKind::Exclusive, Some(100));
    let queue = Queue { kind, messages_max, delivery_limit: None, ..ground.queue("queue") };
    let bindings = vec![binding(&queue, &exchange, "#")];
    (exchange, Subscribe { queue, bindings, prefetch: 10 })
}

async fn subscribe(
    ground: &Ground,
    transport: &Arc<dyn Transport>,
    what: &Subscribe,
) -> Result<Consumer, TransportError> {
    let subscription = within("a subscription", transport.subscribe(what.clone())).await?;
    Ok(ground.consumer(subscription, &what.queue))
}

pub(super) async fn an_exclusive_queue_is_occupied(ground: Arc<Ground>) {
    let (exchange, what) = exclusive(&ground).await;
    let mut consumer = subscribe(&ground, ground.transport(), &what).await.expect("subscribes");
    let other = ground.connect().await;
    let error = subscribe(&ground, &other, &what).await.err().expect("it belongs to another");
    assert!(matches!(&error, TransportError::Occupied { name } if *name == what.queue.name), "{error:?}");
    ground.send(&exchange, 0..3).await;
    consumer.expect(0..3).await;
}

pub(super) async fn an_exclusive_queue_ends(ground: Arc<Ground>) {
    let (exchange, what) = exclusive(&ground).await;
    let mine = ground.connect().await;
    let mut consumer = subscribe(&ground, &mine, &what).await.expect("subscribes");
    ground.send(&exchange, 0..3).await;
    consumer.expect(0..1).await;
    within("a handle to close", mine.close()).await;
    // The broker may notice a little later that the queue's owner is gone.
    let deadline = Instant::now() + WAIT;
    let mut next = loop {
        match subscribe(&ground, ground.transport(), &what).await {
            Ok(consumer) => break consumer,
            Err(TransportError::Occupied { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "still occupied {WAIT:?} after its owner closed");
    };
    // Dropping the old subscription must not delete the new queue.
    drop(consumer);
    ground.send(&exchange, 3..4).await;
    assert!(!next.expect(3..4).await[0].is_redelivered(), "the new queue has nothing of the old one");
}

/// A queue of light tasks with a short time, and neither a consumer nor a declaration.
pub(super) async fn an_unused_light_queue_vanishes(ground: Arc<Ground>) {
    let exchange = ground.exchange("exchange");
    let (light, _) = topology::tasks_in(TaskQueue::Light, Workload::Steps, &steps::class());
    let queue = Queue { name: ground.name("light"), expires: Some(EXPIRES), ..light };
    ground.all_from(&exchange, &[&queue]).await;
    let transient = Message { is_transient: true, ..message(0) };
    ground.publish(&exchange, "some.key", transient).await.expect("published");
    let mut consumer = ground.subscribe(&queue, 1).await;
    sleep(EXPIRES * 2).await;
    let held = consumer.expect(0..1).await;
    assert!(held[0].message.is_transient, "the message came with another delivery mode");
    drop(held);
    drop(consumer);
    for _ in 0..6 {
        sleep(EXPIRES / 4).await;
        ground.all_from(&exchange, &[&queue]).await;
    }
    ground.stands(&queue, 1, 0).await;
    sleep(EXPIRES * 2).await;
    let state = within("a queue's state", ground.transport().queue(&queue.name)).await;
    assert_eq!(state, Ok(None), "it was neither consumed nor declared for {:?}", EXPIRES * 2);
    ground.send(&exchange, 1..2).await;
    ground.all_from(&exchange, &[&queue]).await;
    ground.send(&exchange, 2..3).await;
    ground.subscribe(&queue, 10).await.expect(2..3).await;
}

pub(super) async fn close_ends_a_pending_next(ground: Arc<Ground>) {
    let (_, queue) = ground.one().await;
    let transport = ground.connect().await;
    let mut consumer = ground.subscribe_over(&transport, &queue, 1).await.expect("subscribes");
    // Polled in this order, so that the wait is pending when the close begins.
    let both = async { tokio::join!(biased; consumer.subscription.next(), transport.close()) };
    let (next, ()) = within("a wait to end with the transport", both).await;
    assert_eq!(next.err(), Some(TransportError::Closed));
    let again = within("a second wait", consumer.subscription.next()).await;
    assert_eq!(again.err(), Some(TransportError::Closed));
}

pub(super) async fn close_gives_back(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let transport = ground.connect().await;
    let mut consumer = ground.subscribe_over(&transport, &queue, 2).await.expect("subscribes");
    ground.send(&exchange, 0..4).await;
    let mut held = consumer.expect(0..2).await;
    held.remove(0).acker.ack().await;
    within("a handle to close", transport.close()).await;
    ground.stands(&queue, 3, 0).await;
    for stale in held {
        within("a stale ack", stale.acker.ack()).await;
    }
    let mut next = ground.subscribe(&queue, 10).await;
    let mut found = [next.receive().await, next.receive().await, next.receive().await];
    // Message 2 may have entered the prefetch after the ack; message 3 could not. RabbitMQ may also
    // give 1 back, deliver it to the closing consumer once more, and give it back behind 2.
    found.sort_by(|one, other| one.message.id.cmp(&other.message.id));
    assert_eq!(found.each_ref().map(|delivery| &*delivery.message.id), ["1", "2", "3"]);
    assert_eq!((found[0].is_redelivered(), found[2].is_redelivered()), (true, false));
}

pub(super) async fn a_closed_transport_says_so(ground: Arc<Ground>) {
    let (exchange, queue) = ground.one().await;
    let transport = ground.connect().await;
    within("a handle to close", transport.close()).await;
    within("a second close", transport.close()).await;
    let published = within("an answer", transport.publish(&exchange.name, "key", message(0))).await;
    assert_eq!(published, Err(PublishError::Transport(TransportError::Closed)));
    let declared = within("an answer", transport.declare(&Topology::default())).await;
    assert_eq!(declared, Err(TransportError::Closed));
    let subscribed = ground.subscribe_over(&transport, &queue, 1).await;
    assert_eq!(subscribed.err(), Some(TransportError::Closed));
    assert_eq!(within("an answer", transport.queue(&queue.name)).await, Err(TransportError::Closed));
}

pub(super) async fn says_whether_it_is_ephemeral(ground: Arc<Ground>) {
    assert_eq!(ground.transport().is_ephemeral(), ground.features().ephemeral);
}
