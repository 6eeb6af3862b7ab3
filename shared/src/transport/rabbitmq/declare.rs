//! Single declarations, on throw-away channels: a refusal costs the channel it came on.

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

/// Declares all of it on one channel, without waiting for one answer before the next request. A
/// refusal takes the channel with it and does not say what it is about.
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

/// Channels for declarations: opened when needed, and again after a refusal.
pub(super) struct Scratch<'a> {
    epoch: &'a Epoch,
    channel: Option<Channel>,
    /// Queues that exist and that nobody can reach now.
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

    /// Declares it. Where that is forbidden it is enough that it exists: then an operator made it.
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

    /// The same for a queue. A passive declaration does not look at arguments, so the active one
    /// comes first.
    ///
    /// To that one the broker says "not found" of a queue that exists, when the one node of a cluster
    /// that has it is down. It comes back with its node, bindings and all. A role that needs it for work
    /// waits where it consumes; all others go on without.
    pub(super) async fn queue(&mut self, queue: &Queue) -> Result<(), Fault> {
        match self.declare_of_either_version(queue).await {
            Err(fault) if fault.is_refusal(code::ACCESS_REFUSED) && queue.kind != QueueKind::Exclusive => {
                self.look(&queue.name).await.map(drop).map_err(|other| forbidden_or(fault, other))
            }
            Err(fault) if fault.is_refusal(code::NOT_FOUND) => {
                tracing::info!("queue {} is out of reach for now, and taken as declared: {fault}", queue.name);
                self.away.push(queue.name.clone());
                Ok(())
            }
            done => done,
        }
        .inspect_err(|fault| self.leave_if_silent(fault))
        .map_err(|fault| fault.about("declaring queue", &queue.name))
    }

    /// Where neither is what exists, the answer is about what this version wants.
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
                tracing::info!("queue {} is as the version before made it, and stays so", queue.name);
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

    /// What is asked next on a channel whose last answer is missing would wait behind it.
    fn leave_if_silent(&mut self, fault: &Fault) {
        if matches!(fault, Fault::Silent(_)) {
            self.channel = None;
        }
    }

    /// A passive declaration: how the queue stands.
    pub(super) async fn look(&mut self, queue: &str) -> Result<Found, Fault> {
        let channel = self.channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        rpc(channel.queue_declare(name(queue)?, passive, FieldTable::default())).await
    }

    /// Deletes a queue with all that is in it.
    pub(super) async fn delete(&mut self, queue: &str) -> Result<(), Fault> {
        let channel = self.channel().await?;
        rpc(channel.queue_delete(name(queue)?, QueueDeleteOptions::default())).await.map(drop)
    }

    /// Binds a queue. Nobody can ask whether a binding exists, so where binding is forbidden it is
    /// taken that the operator made it, except for a queue that this connection has just made.
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
                tracing::info!("may not bind {queue} to {exchange} with key {key}; taken as bound: {fault}");
                Ok(())
            }
            done => done,
        }
        .map_err(|fault| fault.about("binding queue", &binding.queue))
    }
}

/// What may not be declared was looked for and is not there either; unless it could not be looked for, which may
/// pass.
fn forbidden_or(forbidden: Fault, other: Fault) -> Fault {
    if matches!(other, Fault::Lost(_) | Fault::Silent(_)) { other } else { forbidden }
}

fn name(name: &str) -> Result<ShortString, Fault> {
    short("a name", name).map_err(|error: TransportError| Fault::Fatal(error))
}
