//! The control connection: declarations, and the exclusive queues that live and die with it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::backoff::Backoff;
use super::declare::{Scratch, at_once};
use super::fault::{Fault, code};
use super::link::{Epoch, Link};
use crate::protocol::topology::{Binding, Queue, QueueKind, Topology};
use crate::transport::{QueueState, TransportError};

/// Declares, and declares again whatever it once declared.
pub(super) struct Control {
    pub(super) link: Link,
    /// All that callers have declared.
    known: Mutex<Topology>,
    /// The epoch in which all of that was declared last.
    restored: tokio::sync::Mutex<Weak<Epoch>>,
}

impl Control {
    pub(super) fn new(link: Link) -> Self {
        Self { link, known: Mutex::default(), restored: tokio::sync::Mutex::default() }
    }

    /// Declares, and remembers.
    pub(super) async fn declare(&self, topology: &Topology) -> Result<(), TransportError> {
        let mut backoff = Backoff::new();
        loop {
            let epoch = self.epoch().await?;
            let Err(fault) = declare_all(&epoch, topology).await else { break };
            let cause = self.give_up_unless_lost(fault, &epoch, "declaring").await?;
            backoff.wait_after(&cause).await;
        }
        self.remember(topology);
        Ok(())
    }

    /// Declares a queue with its bindings, and says in which epoch.
    pub(super) async fn queue(&self, queue: &Queue, bindings: &[Binding]) -> Result<Arc<Epoch>, TransportError> {
        let mut backoff = Backoff::new();
        let topology = Topology { exchanges: Vec::new(), queues: vec![queue.clone()], bindings: bindings.to_vec() };
        loop {
            let epoch = self.epoch().await?;
            let Err(fault) = declare_all(&epoch, &topology).await else { return Ok(epoch) };
            let cause = self.give_up_unless_lost(fault, &epoch, "declaring").await?;
            backoff.wait_after(&cause).await;
        }
    }

    /// How a queue stands.
    pub(super) async fn look(&self, name: &str) -> Result<Option<QueueState>, TransportError> {
        let mut backoff = Backoff::new();
        loop {
            let epoch = self.epoch().await?;
            let fault = match Scratch::new(&epoch).look(name).await {
                Ok(found) => {
                    let (ready, consumers) = (found.message_count(), found.consumer_count());
                    return Ok(Some(QueueState { ready, consumers }));
                }
                Err(fault) if fault.is_refusal(code::NOT_FOUND) => return Ok(None),
                Err(fault) => fault.about("looking at queue", name),
            };
            let cause = self.give_up_unless_lost(fault, &epoch, "looking at a queue").await?;
            backoff.wait_after(&cause).await;
        }
    }

    /// Deletes a durable queue that exists, holds nothing and answers no consumer, so that the next
    /// declaration makes it anew. Says what was found and done.
    ///
    /// RabbitMQ (3.10 at least) that is killed within a second of declaring a quorum queue comes back
    /// with a queue that never gets a leader: it can be declared and looked at, it takes no consumer and
    /// confirms no message, and no restart of the broker mends it. Should the queue only be slow, nothing
    /// is lost by it that is not sent again.
    pub(super) async fn clear_leaderless(&self, queue: &Queue) -> Result<String, Fault> {
        let epoch = self.link.epoch().await.map_err(Fault::Fatal)?;
        let mut scratch = Scratch::new(&epoch);
        let found = scratch.look(&queue.name).await?;
        if found.message_count() > 0 || found.consumer_count() > 0 {
            return Ok("it is in use, so it stays".to_owned());
        }
        match scratch.delete(&queue.name).await {
            Ok(()) => Ok("it is empty, so it is made anew".to_owned()),
            Err(fault) if fault.is_refusal(code::ACCESS_REFUSED) => Ok(format!(
                "it has no leader: delete it (rabbitmqctl delete_queue {}), then it is made anew",
                queue.name
            )),
            Err(fault) => Err(fault),
        }
    }

    /// Declares all that is known once more if the connection was lost since.
    pub(super) async fn look_after(&self) -> Result<(), TransportError> {
        self.epoch().await.map(drop)
    }

    /// Declares all that is known once more, whatever the broker may have lost.
    pub(super) async fn restore(&self) -> Result<(), TransportError> {
        *self.restored.lock().await = Weak::new();
        self.epoch().await.map(drop)
    }

    /// The present epoch, with all that is known declared in it.
    async fn epoch(&self) -> Result<Arc<Epoch>, TransportError> {
        let mut backoff = Backoff::new();
        loop {
            let epoch = self.link.epoch().await?;
            let mut restored = self.restored.lock().await;
            if restored.as_ptr() == Arc::as_ptr(&epoch) {
                return Ok(epoch);
            }
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Err(cause) = declare_again(&epoch, &known).await else {
                *restored = Arc::downgrade(&epoch);
                return Ok(epoch);
            };
            drop(restored);
            self.link.end(&epoch).await;
            backoff.wait_after(&cause).await;
        }
    }

    /// The cause of another try: a loss, after which the connection is made anew, or silence.
    async fn give_up_unless_lost(
        &self,
        fault: Fault,
        epoch: &Arc<Epoch>,
        action: &str,
    ) -> Result<String, TransportError> {
        match fault {
            fault @ (Fault::Lost(_) | Fault::NoChannel) => {
                self.link.end(epoch).await;
                Ok(fault.to_string())
            }
            Fault::Silent(cause) => Ok(cause),
            Fault::Refused { text: cause, .. } => Err(TransportError::Other { action: action.to_owned(), cause }),
            Fault::Fatal(error) => Err(error),
        }
    }

    fn remember(&self, topology: &Topology) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for exchange in &topology.exchanges {
            known.exchanges.retain(|other| other.name != exchange.name);
            known.exchanges.push(exchange.clone());
        }
        for queue in &topology.queues {
            known.queues.retain(|other| other.name != queue.name);
            known.queues.push(queue.clone());
        }
        for binding in &topology.bindings {
            if !known.bindings.contains(binding) {
                known.bindings.push(binding.clone());
            }
        }
    }
}

async fn declare_all(epoch: &Epoch, topology: &Topology) -> Result<(), Fault> {
    // In one go, without waiting for each answer. A refusal takes the channel with it and does not
    // say of what it is, so then each is declared for itself.
    if at_once(epoch, topology).await.is_ok() {
        return Ok(());
    }
    let mut scratch = Scratch::new(epoch);
    for exchange in &topology.exchanges {
        scratch.exchange(exchange).await?;
    }
    for queue in &topology.queues {
        scratch.queue(queue).await?;
    }
    for binding in &topology.bindings {
        scratch.binding(binding, is_exclusive(topology, &binding.queue)).await?;
    }
    Ok(())
}

/// One piece that cannot be declared any more does not keep the others from it. `Err` is a lost
/// connection.
async fn declare_again(epoch: &Epoch, topology: &Topology) -> Result<(), String> {
    let mut scratch = Scratch::new(epoch);
    for exchange in &topology.exchanges {
        complain(scratch.exchange(exchange).await)?;
    }
    for queue in &topology.queues {
        complain(scratch.queue(queue).await)?;
    }
    for binding in &topology.bindings {
        complain(scratch.binding(binding, is_exclusive(topology, &binding.queue)).await)?;
    }
    Ok(())
}

fn complain(done: Result<(), Fault>) -> Result<(), String> {
    match done {
        Err(Fault::Lost(cause)) => Err(cause),
        Err(fault) => {
            tracing::warn!("after a lost connection: {fault}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn is_exclusive(topology: &Topology, queue: &str) -> bool {
    topology.queues.iter().any(|other| other.name == queue && other.kind == QueueKind::Exclusive)
}
