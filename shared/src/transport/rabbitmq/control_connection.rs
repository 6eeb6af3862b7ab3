//! The control connection: declarations, and the exclusive queues that are deleted with it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::backoff::Backoff;
use super::declare::{Scratch, at_once};
use super::fault::{Fault, code};
use super::link::{Epoch, Link};
use crate::protocol::topology::{Binding, Queue, QueueKind, Topology};
use crate::transport::{QueueState, TransportError};

/// Declares topology, and declares all of it again after a lost connection.
pub(super) struct Control {
    pub(super) link: Link,
    /// Everything that callers have declared.
    known: Mutex<Topology>,
    /// The epoch in which `known` was last declared.
    restored: tokio::sync::Mutex<Weak<Epoch>>,
}

impl Control {
    pub(super) fn new(link: Link) -> Self {
        Self { link, known: Mutex::default(), restored: tokio::sync::Mutex::default() }
    }

    /// Declares the topology and remembers it for later connections.
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

    /// Declares a queue with its bindings; returns the epoch of the declaration.
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

    /// Deletes a durable queue that exists, is empty and does not answer consumers, so that the
    /// next declaration makes it again. Returns a text that says what was found and done.
    ///
    /// If RabbitMQ (at least 3.10) is killed within a second of declaring a quorum queue, that
    /// queue never gets a leader again: it can be declared and inspected, but it accepts no
    /// consumer and confirms no message, and no restart fixes it. If the queue is only slow,
    /// deleting it loses nothing that is not sent again.
    pub(super) async fn clear_leaderless(&self, queue: &Queue) -> Result<String, Fault> {
        let epoch = self.link.epoch().await.map_err(Fault::Fatal)?;
        let mut scratch = Scratch::new(&epoch);
        let found = scratch.look(&queue.name).await?;
        if found.message_count() > 0 || found.consumer_count() > 0 {
            return Ok("the queue is in use, so it is kept".to_owned());
        }
        match scratch.delete(&queue.name).await {
            Ok(()) => Ok("the queue is empty and does not answer, so it was deleted and is declared again".to_owned()),
            Err(fault) if fault.is_refusal(code::ACCESS_REFUSED) => Ok(format!(
                "the queue has no leader: delete it (rabbitmqctl delete_queue {}), and it is declared again",
                queue.name
            )),
            Err(fault) => Err(fault),
        }
    }

    /// Declares everything again if the connection was lost since the last time.
    pub(super) async fn look_after(&self) -> Result<(), TransportError> {
        self.epoch().await.map(drop)
    }

    /// Declares everything again in any case, because the broker may have lost some of it.
    pub(super) async fn restore(&self) -> Result<(), TransportError> {
        *self.restored.lock().await = Weak::new();
        self.epoch().await.map(drop)
    }

    /// The current epoch, after declaring `known` in it.
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

    /// `Ok` with the cause if another try makes sense: the connection was lost, and is ended here,
    /// or an answer did not come.
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

    /// Light queues are left out: whoever needs one declares it again, and a long life of this
    /// process would gather those of all jobs that have ended.
    fn remember(&self, topology: &Topology) {
        let passes = |name: &str| topology.queues.iter().any(|queue| queue.name == name && queue.expires.is_some());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for exchange in &topology.exchanges {
            known.exchanges.retain(|other| other.name != exchange.name);
            known.exchanges.push(exchange.clone());
        }
        for queue in topology.queues.iter().filter(|queue| queue.expires.is_none()) {
            known.queues.retain(|other| other.name != queue.name);
            known.queues.push(queue.clone());
        }
        for binding in topology.bindings.iter().filter(|binding| !passes(&binding.queue)) {
            if !known.bindings.contains(binding) {
                known.bindings.push(binding.clone());
            }
        }
    }
}

async fn declare_all(epoch: &Epoch, topology: &Topology) -> Result<(), Fault> {
    // First declare everything at once. A refusal closes the channel and does not say which
    // declaration it is about, so then declare each alone.
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

/// A declaration that is refused now does not prevent the others. `Err` is a lost connection.
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
            tracing::warn!("cannot declare again after a lost connection: {fault}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn is_exclusive(topology: &Topology, queue: &str) -> bool {
    topology.queues.iter().any(|other| other.name == queue && other.kind == QueueKind::Exclusive)
}
