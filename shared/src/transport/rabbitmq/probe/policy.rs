//! What policies do to queues and messages. AMQP has no request for policies, so the doctor
//! declares queues with names like those of Packhorse and watches for a few seconds what happens to
//! their messages.
//!
//! Each queue is bound to the doctor's own exchange, which is also its dead-letter exchange. There
//! a queue's argument takes precedence over a policy, so no test message reaches another queue. A
//! listener at that exchange receives every dead message with its reason and its key. The exchange
//! is deleted with its last queue. Exclusive queues are deleted with the connection; the others
//! have a time after which the broker deletes them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer, ExchangeKind};
use tokio::time::{Instant, timeout_at};

use super::super::fault::{Fault, code, rpc};
use super::super::link::Epoch;
use super::super::properties::{take_returns, to_message};
use super::{LATE, Probe, Refusal, arguments, close, name};
use crate::protocol::message::{Death, FIRST_DEATH_REASON};
use crate::protocol::topology::{Queue, QueueKind};

/// How long the doctor watches the queues. Later effects are not seen.
pub const POLICY_LOOK: Duration = Duration::from_secs(3);

/// Messages published to each queue, at most.
const MESSAGES: u32 = 32;

/// Bytes of the first message, like a small task. The others have 2 bytes.
const LARGE: usize = 60 * 1024;

/// Milliseconds without use after which the broker deletes a queue that was left behind.
const LEFT_BEHIND_MILLIS: i64 = 60_000;

/// What policies did to a test queue and its messages. By default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Treatment {
    /// The queue was deleted because it was not used (`expires`).
    pub is_deleted: bool,
    /// Messages expired after about this time (`message-ttl`).
    pub expired_after: Option<Duration>,
    /// Messages that the queue accepted before it refused one (`max-length`, `max-length-bytes`).
    pub takes: Option<u32>,
    /// Routing key of dead letters, if it differs from that of their messages
    /// (`dead-letter-routing-key`).
    pub moved_to: Option<String>,
    /// Returns after which a message was given up, if fewer than the queue's argument allows
    /// (`delivery-limit`).
    pub given_up_after: Option<u32>,
}

impl Probe {
    /// What policies do to queues like these. The queues must not exist, and `exchange` and `ears`
    /// must be unused names.
    ///
    /// # Errors
    /// This user may not declare these queues, or one of them exists.
    pub async fn treatments(&self, exchange: &str, ears: &str, queues: &[Queue]) -> Result<Vec<Treatment>, Refusal> {
        let exchange = name(exchange)?;
        let (epoch, channel) = self.channel().await?;
        let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
        rpc(channel.exchange_declare(exchange.clone(), ExchangeKind::Topic, options, FieldTable::default())).await?;
        let mut looks = Vec::with_capacity(queues.len());
        for (at, queue) in queues.iter().enumerate() {
            looks.push(Look { queue, name: name(&queue.name)?, key: name(&format!("queue-{at}"))? });
        }
        let mut ears = Ears::open(epoch.channel().await?, &exchange, name(ears)?).await?;
        let treated = treat(&epoch, &channel, &exchange, &looks, &mut ears).await;
        close(&channel).await;
        for look in looks {
            // The queue may be deleted already.
            let _ = self.delete(look.name).await;
        }
        treated
    }
}

async fn treat(
    epoch: &Arc<Epoch>,
    channel: &Channel,
    exchange: &ShortString,
    looks: &[Look<'_>],
    ears: &mut Ears,
) -> Result<Vec<Treatment>, Refusal> {
    rpc(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let mut treated = Vec::with_capacity(looks.len());
    for look in looks {
        look.declare(channel, exchange).await?;
        let since = Instant::now();
        let takes = look.fill(channel, exchange).await?;
        treated.push((since, Treatment { takes, ..Treatment::default() }));
    }
    let until = Instant::now() + POLICY_LOOK;
    while let Some(heard) = ears.next(until).await {
        if let Some(at) = looks.iter().position(|look| heard.is_of(look)) {
            let (since, treatment) = &mut treated[at];
            looks[at].note(&heard, since.elapsed(), treatment);
        }
    }
    let mut treatments = Vec::with_capacity(looks.len());
    for (look, (_, mut treatment)) in looks.iter().zip(treated) {
        look.handle(&epoch.channel().await?, ears, &mut treatment).await?;
        treatments.push(treatment);
    }
    Ok(treatments)
}

/// One of the test queues.
struct Look<'a> {
    queue: &'a Queue,
    name: ShortString,
    /// Routing key of its messages.
    key: ShortString,
}

impl Look<'_> {
    async fn declare(&self, channel: &Channel, exchange: &ShortString) -> Result<(), Refusal> {
        // `basic.get` is refused for a queue with a single active consumer.
        let (dead_letter, single_active_consumer) = (Some(exchange.to_string()), false);
        let queue = Queue { dead_letter, single_active_consumer, ..self.queue.clone() };
        let (options, mut table) = arguments::queue(&queue);
        if queue.kind != QueueKind::Exclusive {
            table.insert("x-expires".into(), AMQPValue::LongLongInt(LEFT_BEHIND_MILLIS));
        }
        rpc(channel.queue_declare(self.name.clone(), options, table)).await?;
        let options = QueueBindOptions::default();
        let (name, key) = (self.name.clone(), self.key.clone());
        Ok(rpc(channel.queue_bind(name, exchange.clone(), key, options, FieldTable::default())).await?)
    }

    /// Publishes messages one by one, as many as the queue should accept. Returns how many it
    /// accepted, if fewer.
    async fn fill(&self, channel: &Channel, exchange: &ShortString) -> Result<Option<u32>, Refusal> {
        for taken in 0..MESSAGES.min(self.queue.messages_max.unwrap_or(MESSAGES)) {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let (exchange, key) = (exchange.clone(), self.key.clone());
            let body = vec![b' '; if taken == 0 { LARGE } else { 2 }];
            let sent = rpc(channel.basic_publish(exchange, key, options, &body, properties)).await?;
            if !rpc(sent).await?.is_ack() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// Notes what a dead message shows about policies.
    fn note(&self, heard: &Heard, elapsed: Duration, treatment: &mut Treatment) {
        if heard.death == Death::Expired {
            treatment.expired_after.get_or_insert(elapsed);
        }
        if heard.key != self.key.as_str() {
            treatment.moved_to.get_or_insert_with(|| heard.key.clone());
        }
    }

    /// Checks whether the queue still exists, how often a message may come back, and where a
    /// rejected message goes.
    async fn handle(&self, channel: &Channel, ears: &mut Ears, treatment: &mut Treatment) -> Result<(), Refusal> {
        // One return fewer than the queue's own limit.
        let returns = self.queue.delivery_limit.filter(|_| self.queue.kind == QueueKind::Quorum).unwrap_or(1) - 1;
        let mut most = None;
        for number in 0..=returns {
            let is_last = number == returns;
            match self.settle(channel, !is_last).await {
                Ok(Some(count)) => most = most.max(Some(count)),
                // The queue's messages have expired.
                Ok(None) => break,
                Err(fault) if fault.is_refusal(code::NOT_FOUND) => {
                    treatment.is_deleted = true;
                    return Ok(());
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        let until = Instant::now() + most.map_or(Duration::ZERO, |_| LATE);
        while let Some(heard) = ears.next(until).await {
            if heard.is_of(self) {
                self.note(&heard, Duration::ZERO, treatment);
                if heard.death == Death::GivenUp {
                    treatment.given_up_after = most.map(|most| most + 1);
                } else if heard.death == Death::Refused {
                    break;
                }
            }
        }
        close(channel).await;
        Ok(())
    }

    /// Takes a message and requeues or rejects it. Returns how often the message had come back
    /// before, or `None` if the queue is empty.
    async fn settle(&self, channel: &Channel, requeue: bool) -> Result<Option<u32>, Fault> {
        let Some(got) = rpc(channel.basic_get(self.name.clone(), BasicGetOptions::default())).await? else {
            return Ok(None);
        };
        let mut message = to_message(&got.delivery.properties, Vec::new());
        let options = BasicNackOptions { multiple: false, requeue };
        rpc(got.delivery.acker.nack(options)).await?;
        Ok(Some(take_returns(&mut message, got.delivery.redelivered)))
    }
}

struct Heard {
    queue: String,
    death: Death,
    key: String,
}

impl Heard {
    fn is_of(&self, look: &Look<'_>) -> bool {
        self.queue == look.name.as_str()
    }
}

/// Listens for dead messages.
struct Ears(Consumer);

impl Ears {
    async fn open(channel: Channel, exchange: &ShortString, name: ShortString) -> Result<Self, Refusal> {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        rpc(channel.queue_declare(name.clone(), options, FieldTable::default())).await?;
        let options = QueueBindOptions::default();
        rpc(channel.queue_bind(name.clone(), exchange.clone(), "#".into(), options, FieldTable::default())).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = rpc(channel.basic_consume(name, "".into(), options, FieldTable::default())).await?;
        Ok(Self(consumer))
    }

    /// The next dead message; `None` if there is none before `until`.
    async fn next(&mut self, until: Instant) -> Option<Heard> {
        loop {
            let delivery = timeout_at(until, self.0.next()).await.ok()??.ok()?;
            let message = to_message(&delivery.properties, Vec::new());
            // Published messages come here as well; they have no such header.
            if let Some(reason) = message.text(FIRST_DEATH_REASON) {
                let queue = message.text("x-first-death-queue").unwrap_or_default().to_owned();
                let key = delivery.routing_key.to_string();
                return Some(Heard { queue, death: Death::of(Some(reason)), key });
            }
        }
    }
}
