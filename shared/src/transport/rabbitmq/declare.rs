//! Single declarations, on short-lived channels: a refusal closes the channel that it comes on.

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::{FutureExt, TryFutureExt};
use lapin::Channel;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{ExchangeKind, Queue as Found};

use super::arguments;
use super::fault::{Fault, code, is_inequivalent, rpc};
use super::link::Epoch;
use super::properties::short;
use crate::protocol::topology::{Binding, Exchange, Queue, QueueKind, Topology};
use crate::transport::TransportError;

/// Declares everything on one channel, without waiting for each answer. A refusal closes the
/// channel and does not say which declaration it is about.
pub(super) async fn at_once(epoch: &Epoch, topology: &Topology) -> Result<(), Fault> {
    let spare = epoch.spare().await?;
    let channel = &spare;
    let mut requests: Vec<BoxFuture<'_, lapin::Result<()>>> = Vec::new();
    for exchange in &topology.exchanges {
        let (name, (options, table)) = (name(&exchange.name)?, arguments::exchange(exchange));
        requests.push(channel.exchange_declare(name, ExchangeKind::Topic, options, table).boxed());
    }
    for queue in &topology.queues {
        let (name, (options, table)) = (name(&queue.name)?, arguments::queue(queue));
        requests.push(channel.queue_declare(name, options, table).map_ok(drop).boxed());
    }
    for Binding { queue, exchange, key } in &topology.bindings {
        let (queue, exchange) = (name(queue)?, name(exchange)?);
        let key = short("a binding's key", key).map_err(Fault::Fatal)?;
        requests
            .push(channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).boxed());
    }
    rpc(try_join_all(requests)).await?;
    epoch.keep_spare(spare);
    Ok(())
}

/// A channel for declarations: opened when needed, and again after a refusal.
pub(super) struct Scratch<'a> {
    epoch: &'a Epoch,
    channel: Option<Channel>,
    /// Queues that exist and cannot be reached now.
    away: Vec<String>,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(epoch: &'a Epoch) -> Self {
        Self { epoch, channel: None, away: Vec::new() }
    }

    async fn channel(&mut self) -> Result<Channel, Fault> {
        if let Some(channel) = self.channel.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = self.epoch.channel().await?;
        Ok(self.channel.insert(channel).clone())
    }

    /// Declares an exchange. If the user may not declare it, it is enough that it exists: then an
    /// operator made it.
    pub(super) async fn exchange(&mut self, exchange: &Exchange) -> Result<(), Fault> {
        let name = name(&exchange.name)?;
        let (options, table) = arguments::exchange(exchange);
        let channel = self.channel().await?;
        let declare = channel.exchange_declare(name.clone(), ExchangeKind::Topic, options, table);
        match rpc(declare).await {
            Err(fault) if fault.is_refusal(code::ACCESS_REFUSED) => {
                let channel = self.channel().await?;
                let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
                let exists = rpc(channel.exchange_declare(name, ExchangeKind::Topic, passive, FieldTable::default()));
                exists.await.map_err(|other| forbidden_or(fault, other))
            }
            done => done,
        }
        .map_err(|fault| fault.about("declaring exchange", &exchange.name))
    }

    /// Declares a queue. If the user may not declare it, it is enough that it exists. The active
    /// declaration comes first, because a passive one does not check arguments.
    ///
    /// The broker answers "not found" to an active declaration of a queue that exists if the only
    /// cluster node that has it is down. The queue comes back with that node, its bindings
    /// included. A role that needs the queue waits when it consumes; all others continue without
    /// it.
    pub(super) async fn queue(&mut self, queue: &Queue) -> Result<(), Fault> {
        match self.declare_of_either_version(queue).await {
            Err(fault) if fault.is_refusal(code::ACCESS_REFUSED) && queue.kind != QueueKind::Exclusive => {
                self.look(&queue.name).await.map(drop).map_err(|other| forbidden_or(fault, other))
            }
            Err(fault) if fault.is_refusal(code::NOT_FOUND) => {
                tracing::info!("queue {} cannot be reached now; assuming that it is declared: {fault}", queue.name);
                self.away.push(queue.name.clone());
                Ok(())
            }
            done => done,
        }
        .inspect_err(|fault| self.leave_if_silent(fault))
        .map_err(|fault| fault.about("declaring queue", &queue.name))
    }

    /// Declares with this version's arguments, then with those of the previous version. If neither
    /// fits, the fault is about this version's.
    async fn declare_of_either_version(&mut self, queue: &Queue) -> Result<(), Fault> {
        let Err(fault) = self.declare(queue, arguments::queue(queue)).await else { return Ok(()) };
        let differs = |fault: &Fault| match fault {
            Fault::Refused { code: code::PRECONDITION_FAILED, text } => is_inequivalent(text),
            _ => false,
        };
        let Some(before) = arguments::queue_before(queue).filter(|_| differs(&fault)) else { return Err(fault) };
        match self.declare(queue, before).await {
            Err(again) if differs(&again) => Err(fault),
            Err(again) => Err(again),
            Ok(()) => {
                tracing::info!("queue {} has the arguments of the previous version, and keeps them", queue.name);
                Ok(())
            }
        }
    }

    async fn declare(
        &mut self,
        queue: &Queue,
        (options, table): (QueueDeclareOptions, FieldTable),
    ) -> Result<(), Fault> {
        let channel = self.channel().await?;
        rpc(channel.queue_declare(name(&queue.name)?, options, table)).await.map(drop)
    }

    /// Gives the channel up after a missing answer: the next request would wait behind the missing
    /// one.
    fn leave_if_silent(&mut self, fault: &Fault) {
        if matches!(fault, Fault::Silent(_)) {
            self.channel = None;
        }
    }

    /// Inspects a queue by a passive declaration.
    pub(super) async fn look(&mut self, queue: &str) -> Result<Found, Fault> {
        let channel = self.channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        rpc(channel.queue_declare(name(queue)?, passive, FieldTable::default())).await
    }

    /// Deletes a queue with its messages.
    pub(super) async fn delete(&mut self, queue: &str) -> Result<(), Fault> {
        let channel = self.channel().await?;
        rpc(channel.queue_delete(name(queue)?, QueueDeleteOptions::default())).await.map(drop)
    }

    /// Binds a queue. AMQP has no request for existing bindings. If the user may not bind, this
    /// assumes that an operator made the binding, except for a queue that this connection has just
    /// declared (`own`).
    pub(super) async fn binding(&mut self, binding: &Binding, own: bool) -> Result<(), Fault> {
        if self.away.contains(&binding.queue) {
            return Ok(());
        }
        let channel = self.channel().await?;
        let bind = channel.queue_bind(
            name(&binding.queue)?,
            name(&binding.exchange)?,
            short("a binding's key", &binding.key).map_err(Fault::Fatal)?,
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        match rpc(bind).await {
            Err(fault) if fault.is_refusal(code::ACCESS_REFUSED) && !own => {
                let Binding { queue, exchange, key } = binding;
                tracing::info!("may not bind {queue} to {exchange} with key {key}; assuming that it is bound: {fault}");
                Ok(())
            }
            done => done,
        }
        .map_err(|fault| fault.about("binding queue", &binding.queue))
    }
}

/// The fault to report after a forbidden declaration and a failed inspection: the forbidden one,
/// unless the inspection got no answer and may succeed later.
fn forbidden_or(forbidden: Fault, other: Fault) -> Fault {
    if matches!(other, Fault::Lost(_) | Fault::Silent(_)) { other } else { forbidden }
}

fn name(name: &str) -> Result<ShortString, Fault> {
    short("a name", name).map_err(|error: TransportError| Fault::Fatal(error))
}
