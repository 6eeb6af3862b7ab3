//! What a case stands on: names of its own, handles, and waits that end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, timeout};

use super::{Features, Harness, WAIT};
use crate::protocol::limits::DELIVERY_LIMIT;
use crate::protocol::message::Message;
use crate::protocol::topology::{Binding, Exchange, Overflow, Queue, QueueKind, Topology};
use crate::transport::{
    Delivery, Incoming, PublishError, QueueState, Subscribe, Subscription, Transport, TransportError,
};

/// How long the state of a queue may lag behind.
const STATE_LAG: Duration = Duration::from_secs(5);

/// How long a silence must last to be believed. Only a message that should not be there at all is
/// missed when this is too short; no case passes or fails by how fast a machine is.
const SILENCE: Duration = Duration::from_millis(200);

/// What a case stands on.
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

    /// The first handle.
    pub(super) fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Another handle.
    pub(super) async fn connect(&self) -> Arc<dyn Transport> {
        let handle = within("another handle", self.harness.connect()).await;
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle.clone());
        handle
    }

    /// A name that only this run of this case has.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{}.{what}", self.prefix)
    }

    pub(super) fn exchange(&self, what: &str) -> Exchange {
        Exchange { name: self.name(what), alternate: None }
    }

    /// A queue of the usual kind, without limits of length. The delivery limit is out of reach of
    /// every case; without any, RabbitMQ puts what is requeued last instead of first.
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
        }
    }

    /// Declares with bindings of (queue, exchange, key).
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

    /// Declares an exchange and queues that get everything from it.
    pub(super) async fn all_from(&self, exchange: &Exchange, queues: &[&Queue]) {
        let bound: Vec<_> = queues.iter().map(|&queue| (queue, exchange, "#")).collect();
        self.declare(&[exchange], queues, &bound).await;
    }

    /// One queue that gets everything from an exchange of its own.
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

    /// Publishes messages whose ids are these numbers.
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

    /// Waits until a queue stands so.
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

/// A subscription whose waits end.
pub(super) struct Consumer {
    pub(super) subscription: Box<dyn Subscription>,
    name: String,
    reconnects: bool,
}

impl Consumer {
    /// The next delivery, without a limit.
    pub(super) async fn next(&mut self) -> Delivery {
        loop {
            match self.subscription.next().await {
                Ok(Incoming::Delivery(delivery)) => return *delivery,
                Ok(Incoming::Interrupted) => assert!(self.reconnects, "interrupted, and there is no connection"),
                Err(error) => panic!("waiting for a message of {}: {error}", self.name),
            }
        }
    }

    /// The next delivery.
    pub(super) async fn receive(&mut self) -> Delivery {
        let what = format!("a message of {}", self.name);
        within(&what, self.next()).await
    }

    /// The next deliveries, which must have these ids, in this order.
    pub(super) async fn expect(&mut self, numbers: std::ops::Range<usize>) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for number in numbers {
            let delivery = self.receive().await;
            assert_eq!(delivery.message.id, number.to_string(), "from {}", self.name);
            deliveries.push(delivery);
        }
        deliveries
    }

    /// Nothing comes for a while.
    pub(super) async fn is_silent(&mut self) {
        if let Ok(delivery) = timeout(SILENCE, self.next()).await {
            panic!("{} should have nothing for this consumer: {delivery:?}", self.name);
        }
    }
}

/// A small message with this number as its id.
pub(super) fn message(number: usize) -> Message {
    Message::new("conformance", number.to_string(), number.to_string().into(), SystemTime::UNIX_EPOCH)
}

pub(super) fn binding(queue: &Queue, exchange: &Exchange, key: &str) -> Binding {
    Binding { queue: queue.name.clone(), exchange: exchange.name.clone(), key: key.to_owned() }
}

/// Waits for what should happen soon.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(WAIT, future).await.unwrap_or_else(|_| panic!("waited {WAIT:?} for {what}"))
}
