//! What each case uses: its own names, handles, and waits with a limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, timeout};

use super::{Features, Harness, WAIT};
use crate::protocol::limits::DELIVERY_LIMIT;
use crate::protocol::message::Message;
use crate::protocol::payload::Payload;
use crate::protocol::topology::{Binding, Exchange, Overflow, Queue, QueueKind, Topology};
use crate::transport::{
    Delivery, Incoming, PublishError, QueueState, Subscribe, Subscription, Transport, TransportError,
};

/// How long the reported state of a queue may lag behind.
const STATE_LAG: Duration = Duration::from_secs(5);

/// How long no message must come for a case to accept that none comes. If this is too short, a
/// wrong message may be missed, but no case fails on a slow machine.
const SILENCE: Duration = Duration::from_millis(200);

pub struct Ground {
    harness: Box<dyn Harness>,
    prefix: String,
    transport: Arc<dyn Transport>,
    handles: Mutex<Vec<Arc<dyn Transport>>>,
    declared: Mutex<Topology>,
}

impl Ground {
    pub(super) async fn new(case: &str, harness: Box<dyn Harness>) -> Self {
        let prefix = format!("conformance.{case}.{:016x}", rand::random::<u64>());
        let transport = within("a first handle", harness.connect()).await;
        let handles = Mutex::new(vec![transport.clone()]);
        Self { harness, prefix, transport, handles, declared: Mutex::default() }
    }

    pub(super) async fn clean(&self) {
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in handles {
            within("a handle to close", handle.close()).await;
        }
        let declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.harness.clean(&declared).await;
    }

    pub(super) fn features(&self) -> Features {
        self.harness.features()
    }

    pub(super) fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    pub(super) async fn connect(&self) -> Arc<dyn Transport> {
        let handle = within("another handle", self.harness.connect()).await;
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle.clone());
        handle
    }

    /// A name that is unique to this run of this case.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{}.{what}", self.prefix)
    }

    pub(super) fn exchange(&self, what: &str) -> Exchange {
        Exchange { name: self.name(what), alternate: None }
    }

    /// A quorum queue without length limits. Its delivery limit is larger than any case reaches;
    /// without a limit, RabbitMQ puts requeued messages last instead of first.
    pub(super) fn queue(&self, what: &str) -> Queue {
        Queue {
            name: self.name(what),
            kind: QueueKind::Quorum,
            messages_max: None,
            bytes_max: None,
            overflow: Overflow::Reject,
            dead_letter: None,
            delivery_limit: Some(DELIVERY_LIMIT),
            single_active_consumer: false,
            expires: None,
        }
    }

    /// Declares, with bindings of (queue, exchange, key).
    pub(super) async fn declare(
        &self,
        exchanges: &[&Exchange],
        queues: &[&Queue],
        bound: &[(&Queue, &Exchange, &str)],
    ) {
        let topology = Topology {
            exchanges: exchanges.iter().copied().cloned().collect(),
            queues: queues.iter().copied().cloned().collect(),
            bindings: bound.iter().map(|(queue, exchange, key)| binding(queue, exchange, key)).collect(),
        };
        self.note(&topology);
        within("a declaration", self.transport.declare(&topology)).await.expect("declares");
    }

    /// Declares an exchange, and queues that get every message from it.
    pub(super) async fn all_from(&self, exchange: &Exchange, queues: &[&Queue]) {
        let bound: Vec<_> = queues.iter().map(|&queue| (queue, exchange, "#")).collect();
        self.declare(&[exchange], queues, &bound).await;
    }

    /// Declares one queue that gets every message from its own exchange.
    pub(super) async fn one(&self) -> (Exchange, Queue) {
        let (exchange, queue) = (self.exchange("exchange"), self.queue("queue"));
        self.all_from(&exchange, &[&queue]).await;
        (exchange, queue)
    }

    fn note(&self, topology: &Topology) {
        let mut declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        for exchange in &topology.exchanges {
            if !declared.exchanges.contains(exchange) {
                declared.exchanges.push(exchange.clone());
            }
        }
        for queue in &topology.queues {
            if !declared.queues.contains(queue) {
                declared.queues.push(queue.clone());
            }
        }
    }

    pub(super) async fn publish(&self, exchange: &Exchange, key: &str, message: Message) -> Result<(), PublishError> {
        within("a confirm", self.transport.publish(&exchange.name, key, message)).await
    }

    /// Publishes messages with these numbers as ids.
    pub(super) async fn send(&self, exchange: &Exchange, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.publish(exchange, "some.key", message(number)).await.expect("published");
        }
    }

    pub(super) async fn subscribe(&self, queue: &Queue, prefetch: u16) -> Consumer {
        self.subscribe_over(&self.transport, queue, prefetch).await.expect("subscribes")
    }

    pub(super) async fn subscribe_over(
        &self,
        transport: &Arc<dyn Transport>,
        queue: &Queue,
        prefetch: u16,
    ) -> Result<Consumer, TransportError> {
        self.note(&Topology { queues: vec![queue.clone()], ..Topology::default() });
        let subscribe = Subscribe { queue: queue.clone(), bindings: Vec::new(), prefetch };
        let subscription = within("a subscription", transport.subscribe(subscribe)).await?;
        Ok(self.consumer(subscription, queue))
    }

    pub(super) fn consumer(&self, subscription: Box<dyn Subscription>, queue: &Queue) -> Consumer {
        Consumer { subscription, name: queue.name.clone(), reconnects: self.features().reconnects }
    }

    /// Waits until a queue has this state.
    pub(super) async fn stands(&self, queue: &Queue, ready: u32, consumers: u32) {
        let expected = QueueState { ready, consumers };
        let deadline = Instant::now() + STATE_LAG;
        loop {
            let state = within("a queue's state", self.transport.queue(&queue.name)).await.expect("answers");
            if state == Some(expected) {
                return;
            }
            let name = &queue.name;
            assert!(Instant::now() < deadline, "{name} stands at {state:?} for {STATE_LAG:?}, not at {expected:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A subscription with a limit on each wait.
pub(super) struct Consumer {
    pub(super) subscription: Box<dyn Subscription>,
    name: String,
    reconnects: bool,
}

impl Consumer {
    /// The next delivery, without a time limit.
    pub(super) async fn next(&mut self) -> Delivery {
        loop {
            match self.subscription.next().await {
                Ok(Incoming::Delivery(delivery)) => return *delivery,
                Ok(Incoming::Interrupted) => assert!(self.reconnects, "interrupted, and there is no connection"),
                Err(error) => panic!("waiting for a message of {}: {error}", self.name),
            }
        }
    }

    pub(super) async fn receive(&mut self) -> Delivery {
        let what = format!("a message of {}", self.name);
        within(&what, self.next()).await
    }

    /// The next deliveries. They must have these ids, in this order.
    pub(super) async fn expect(&mut self, numbers: std::ops::Range<usize>) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for number in numbers {
            let delivery = self.receive().await;
            assert_eq!(*delivery.message.id, *number.to_string(), "from {}", self.name);
            deliveries.push(delivery);
        }
        deliveries
    }

    /// Fails if a message comes within [`SILENCE`].
    pub(super) async fn is_silent(&mut self) {
        if let Ok(delivery) = timeout(SILENCE, self.next()).await {
            panic!("{} should have nothing for this consumer: {delivery:?}", self.name);
        }
    }
}

/// A small message with this number as its id.
pub(super) fn message(number: usize) -> Message {
    Message::new("conformance", number.to_string(), Payload::json(number.to_string()), SystemTime::UNIX_EPOCH)
}

pub(super) fn binding(queue: &Queue, exchange: &Exchange, key: &str) -> Binding {
    Binding { queue: queue.name.clone(), exchange: exchange.name.clone(), key: key.to_owned() }
}

/// Waits for `future`, at most [`WAIT`].
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(WAIT, future).await.unwrap_or_else(|_| panic!("waited {WAIT:?} for {what}"))
}
