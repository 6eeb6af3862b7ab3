//! Performs the owner's effects: publishing tasks, replies, acks, reports.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use shared::protocol::id::{Class, OpeningId, OwnerId};
use shared::protocol::limits;
use shared::protocol::message::{
    Address, Announcement, Cancel, DeadLetter, Death, JobRequest, Message, Reply, Task, kind,
};
use shared::protocol::topology::{self};
use shared::protocol::workload::Workload;
use shared::system::random;
use shared::system::shutdown::Shutdown;
use shared::transport::{self, Delivery, PublishError, TransportError, Unpublished, until_taken};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::progress::Streamed;
use super::wiring::Wiring;
use super::{Kind, ServiceError, queues};
use crate::ledger::{Action, Arrived};
use crate::owner::{Effect, Event, ReplyTo, Tag};

/// Sends the ledger a tick at regular intervals.
pub(super) async fn tick(inbox: mpsc::Sender<Arrived>, shutdown: Shutdown) {
    let mut interval = tokio::time::interval(limits::OWNER_TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.asked() => return,
            _ = interval.tick() => {
                if inbox.send(Event::Tick.into()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Runs until the ledger's thread has ended and its effects are done.
pub(super) fn spawn(mut outputs: mpsc::UnboundedReceiver<Action>, wiring: Arc<Wiring>) {
    tokio::spawn(async move {
        let mut publishing = JoinSet::new();
        let (acks, acked) = mpsc::unbounded_channel();
        let acking = tokio::spawn(ack(acked));
        while let Some(action) = outputs.recv().await {
            match action {
                Action::Publish(task) => {
                    let wiring = Arc::clone(&wiring);
                    let mut publish = Box::pin(async move {
                        if !*wiring.listening.borrow() {
                            // The sender lives in `wiring`, so this wait can only end with `true`.
                            let _ = wiring.listening.subscribe().wait_for(|&listening| listening).await;
                        }
                        wiring.publish_task(&task).await;
                    });
                    // In one process a task is taken at once.
                    if poll_fn(|context| Poll::Ready(publish.as_mut().poll(context))).await.is_pending() {
                        publishing.spawn(publish);
                    }
                }
                Action::Other(Effect::Ack(tag)) => {
                    if let Some(delivery) = wiring.deliveries.take(tag) {
                        // The task ends after this one.
                        let _ = acks.send(delivery);
                    }
                }
                Action::Other(effect) => wiring.perform(effect),
            }
            while publishing.try_join_next().is_some() {}
        }
        // The next process that opens the store resends tasks that are not confirmed by now.
        publishing.abort_all();
        drop(acks);
        let _ = acking.await;
        // A cancellation may end this command: its sender must still get the reply.
        wiring.replying.wait(limits::REPLY_PATIENCE).await;
        wiring.finish();
    });
}

/// Acks what was committed: all deliveries that have gathered together, and beside the sending of
/// tasks.
async fn ack(mut acked: mpsc::UnboundedReceiver<Box<Delivery>>) {
    let mut deliveries = Vec::new();
    while acked.recv_many(&mut deliveries, usize::from(limits::OWNER_PREFETCH)).await > 0 {
        transport::ack_all(deliveries.drain(..)).await;
    }
}

impl Wiring {
    pub fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// Whether this owner writes each finished job's report into a directory.
    pub fn writes_reports(&self) -> bool {
        matches!(self.kind, Kind::Service { output_dir: Some(_) })
    }

    /// Sends an input to the ledger. If the ledger has stopped, the input is dropped.
    pub async fn tell(&self, input: impl Into<Arrived>) {
        let _ = self.inbox.send(input.into()).await;
    }

    pub async fn stop(&self) {
        self.tell(Event::Stop).await;
    }

    /// Stops the owner because of an error.
    pub async fn fail(&self, error: ServiceError) {
        self.note_end(Err(error));
        self.stop().await;
    }

    /// Records how the owner ended. The first error counts.
    pub fn note_end(&self, ended: Result<(), ServiceError>) {
        self.ended.send_modify(|first| *first = first.take().or(Some(ended)));
    }

    fn finish(&self) {
        self.note_end(Ok(()));
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn perform(self: &Arc<Self>, effect: Effect) {
        match effect {
            Effect::DeadLetter { tag, reason } => self.dead_letter(tag, reason),
            Effect::Reply { to, reply } => self.reply(to, *reply),
            Effect::Declare { workload, class } => self.declare(workload, class),
            Effect::Probe { workload, class } => self.probe(workload, class),
            Effect::Recall { openings } => self.recall(openings),
            Effect::Followed { opening, reached: now } => self.followers.reached(&opening, |reached| *reached = now),
            Effect::Advanced { opening, answered } => {
                self.followers.reached(&opening, |reached| reached.answered = answered);
            }
            Effect::Counted { opening, number, verdict, host, micros } => {
                self.followers.streamed(&opening, Streamed::Counted { number, verdict, host, micros });
            }
            Effect::Early { opening, number, answer, micros } => {
                self.followers.streamed(&opening, Streamed::Early { number, answer, micros });
            }
            Effect::Served { opening, consumers, slots } => {
                self.followers.streamed(&opening, Streamed::Served { consumers, slots });
            }
            Effect::Announce(announcement) => self.announce(&announcement),
            Effect::Report { job, opening } => self.report(job, opening),
            Effect::Finished { opening, .. } => {
                self.followers.reached(&opening, |reached| reached.is_finished = true);
            }
            // The ledger has turned the one into Action::Publish, and the loop does the other.
            Effect::Send { .. } | Effect::Ack(_) => {}
        }
    }

    /// Asks the broker for a queue's state, in the background: the broker may answer late.
    fn probe(self: &Arc<Self>, workload: Workload, class: Class) {
        let Some(begun) = self.looking.begin((workload, class.clone())) else { return };
        let wiring = Arc::clone(self);
        tokio::spawn(async move {
            let (queue, _) = topology::tasks(workload, &class);
            let state = wiring.transport.queue(&queue.name).await;
            drop(begun);
            match state {
                Ok(state) => {
                    let ready = state.map(|state| state.ready);
                    wiring.tell(Event::QueueState { workload, class, ready }).await;
                }
                Err(error) => tracing::debug!(%error, "The state of a queue cannot be read."),
            }
        });
    }

    /// Opens a job once its queues are declared, in the background: the broker may answer late.
    pub fn open(self: &Arc<Self>, request: Box<JobRequest>, reply: ReplyTo) {
        let asker = reply.remote_key().map(str::to_owned);
        let Some(begun) = self.opening.begin((request.job.clone(), asker)) else { return };
        let wiring = Arc::clone(self);
        tokio::spawn(async move {
            let declared = queues::declare(&wiring.transport, &request.spec, &wiring.owner).await;
            drop(begun);
            match declared {
                Ok(()) => {
                    let opening = super::fresh_opening();
                    wiring.tell(Arrived::Open { request, opening, reply }).await;
                }
                Err(error) => wiring.reply(reply, Reply::Refused { reason: error.to_string() }),
            }
        });
    }

    /// Publishes a task, and retries until a queue accepts it. A full queue is back-pressure by the
    /// consumers.
    async fn publish_task(&self, task: &Task) {
        let address = &task.address;
        let key = topology::task_key(address.workload, &task.class, &address.owner);
        let message = || task.to_message(self.clock.system());
        let taking = self.noticing(task, until_taken(&*self.transport, topology::TASKS, &key, message));
        match taking.await {
            Ok(()) | Err(Unpublished::Transport(TransportError::Closed)) => {}
            Err(Unpublished::Transport(error)) => self.fail(error.into()).await,
            // Treat this like a consumer's refusal: the task is tried again, and in the end its
            // items fail with this reason.
            Err(Unpublished::TooLarge(oversize)) => {
                let dead_letter = DeadLetter {
                    task: address.task.clone(),
                    of: Some((address.opening.clone(), address.plan.clone())),
                    death: Death::Refused,
                    reason: oversize.to_string(),
                    host: Some(shared::system::host::name()),
                    attempt: Some(address.attempt),
                };
                self.tell(Arrived::DeadLetter { dead_letter, tag: None }).await;
            }
        }
    }

    /// Awaits `taking`, and tells the ledger if the broker has not accepted the task for a while,
    /// and again once it has.
    async fn noticing<T>(&self, task: &Task, taking: impl Future<Output = T>) -> T {
        let unsent = |class| {
            let Address { task, opening, .. } = task.address.clone();
            self.tell(Event::Unsent { task, opening, class })
        };
        let mut taking = pin!(taking);
        if let Ok(taken) = timeout(limits::FULL_NOTICE, &mut taking).await {
            return taken;
        }
        unsent(Some(task.class.clone())).await;
        let taken = taking.await;
        unsent(None).await;
        taken
    }

    /// Publishes an unusable delivery to the dead-letter exchange, then settles it. This runs in
    /// the background, as every publish does: a blocked broker must not hold up acks.
    pub fn dead_letter(self: &Arc<Self>, tag: Tag, reason: String) {
        let Some(delivery) = self.deliveries.take(tag) else { return };
        tracing::warn!(
            reason,
            id = &*delivery.message.id,
            "A message is refused and goes to the dead-letter exchange."
        );
        let dead_letter = DeadLetter::wrap(delivery.message.clone(), reason, self.owner.as_str());
        let wiring = Arc::clone(self);
        tokio::spawn(async move {
            // No owner binds this routing key, so the message cannot come back here.
            match transport::dead_letter(&*wiring.transport, "refused", dead_letter).await {
                Ok(()) => delivery.acker.ack().await,
                Err(error) => tracing::error!(%error, "A refused message cannot be published; it stays in its queue."),
            }
        });
    }

    /// Sends a reply to the caller; over the transport it is sent in the background.
    pub fn reply(self: &Arc<Self>, to: ReplyTo, reply: Reply) {
        match to {
            ReplyTo::Local(number) => {
                let waiting = self.replies.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
                if let Some(waiting) = waiting {
                    // A caller that is gone needs no answer.
                    let _ = waiting.send(reply);
                }
            }
            ReplyTo::Remote { key, correlation } => {
                let wiring = Arc::clone(self);
                self.replying.spawn(async move { wiring.reply_remotely(&key, &correlation, &reply).await });
            }
        }
    }

    /// Sends a reply over the transport. If it is too large for the broker, a refusal that says so
    /// is sent instead.
    pub async fn reply_remotely(&self, key: &str, correlation: &str, reply: &Reply) {
        let mut sent = self.try_to_reply(key, correlation, reply).await;
        if let Err(PublishError::TooLarge(oversize)) = sent {
            let reason = format!("the answer cannot be sent: {oversize}");
            sent = self.try_to_reply(key, correlation, &Reply::Refused { reason }).await;
        }
        if let Err(error) = sent {
            tracing::warn!(%error, "A reply cannot be sent.");
        }
    }

    pub async fn try_to_reply(&self, key: &str, correlation: &str, reply: &Reply) -> Result<(), PublishError> {
        let mut message = Message::json(kind::REPLY, random::token(), reply, self.clock.system());
        message.correlation = Some(correlation.into());
        self.transport.publish(topology::CONTROL, key, message).await
    }

    /// Sends a recall to the consumers in the background. If it is lost, it is repeated when a
    /// consumer names a recalled task.
    fn recall(self: &Arc<Self>, openings: Vec<OpeningId>) {
        let cancel = Cancel { openings };
        self.tell_consumers(cancel.to_message(random::token(), self.clock.system()), "A cancellation");
    }

    /// Tells consumers of a job in the background. If the message is lost, the next one is a
    /// heartbeat later.
    fn announce(self: &Arc<Self>, announcement: &Announcement) {
        self.tell_consumers(announcement.to_message(random::token(), self.clock.system()), "An announcement");
    }

    /// Sends a message to all consumers in the background. `what` it is, at the start of a sentence.
    fn tell_consumers(self: &Arc<Self>, message: Message, what: &'static str) {
        let wiring = Arc::clone(self);
        tokio::spawn(async move {
            match wiring.transport.publish(topology::CONTROL, topology::ALL_CONSUMERS, message).await {
                // This process ends.
                Ok(()) | Err(PublishError::Transport(TransportError::Closed)) => {}
                Err(error) => tracing::warn!(%error, "{what} cannot be sent; it is sent again."),
            }
        });
    }
}
