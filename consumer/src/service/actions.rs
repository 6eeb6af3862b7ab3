//! Performs the engine's actions.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use shared::protocol::message::{DeadLetter, LeaseBody, Task};
use shared::protocol::reason::Reason;
use shared::transport::{self, Delivery, TransportError};

use super::{Input, Running};
use crate::engine::{Action, Event, Lane, Tag};
use crate::executor::Assigned;
use crate::publish;
use crate::publish::parts::PartPublisher;

/// A delivery that is not settled, or a task that runs, or both.
pub(super) struct Held {
    lane: Lane,
    /// `None` once it is settled: a task under a lease goes on without its delivery.
    delivery: Option<Box<Delivery>>,
    /// Whether an executor of the lane works on it.
    is_running: bool,
}

impl Running {
    pub(super) fn hold(&mut self, lane: Lane, delivery: Box<Delivery>) -> Event {
        let tag = self.next_tag;
        self.next_tag += 1;
        let task = Task::from_message(&delivery.message).map(Box::new);
        let returns = delivery.returns;
        self.held.insert(tag, Held { lane, delivery: Some(delivery), is_running: false });
        Event::Delivered { lane, tag, task, returns }
    }

    /// Performs one action. Returns whether it was the last one.
    pub(super) async fn perform(&mut self, action: Action) -> bool {
        match action {
            Action::Subscribe { lane } => self.listen(lane),
            Action::Unsubscribe { lane } => self.stop_listening(lane),
            Action::LaneEnded { lane } => self.end(lane),
            Action::Start { tag, task, isolated } => self.start(tag, task, isolated),
            Action::Cancel { tag } => self.cancel(tag),
            Action::Answer { tag, outcome } => {
                self.config.done.fetch_add(1, Ordering::Relaxed);
                let publish = publish::outcome(Arc::clone(&self.transport), self.clock, *outcome);
                self.publish(publish, Event::Confirmed { tag }).await;
            }
            Action::Lease { tag, lease } => {
                let (task, started) = (&lease.address.task, lease.is_started);
                let then = if matches!(lease.body, LeaseBody::Early { .. }) {
                    tracing::debug!(%task, "A call of this task takes long; the results before it are sent.");
                    Event::EarlyTaken { tag }
                } else {
                    tracing::info!(%task, started, "A lease replaces the delivery of this task.");
                    Event::Leased { tag }
                };
                let publish = publish::lease(Arc::clone(&self.transport), self.clock, *lease);
                self.publish(publish, then).await;
            }
            Action::DeadLetter { tag, reason } => self.dead_letter(tag, &reason).await,
            Action::Ack { tag } => {
                if let Some(delivery) = self.settle(tag) {
                    delivery.acker.ack().await;
                }
            }
            Action::Drop { tag } => drop(self.settle(tag)),
            Action::Announce(mut presence) => {
                presence.troubles = self.pools.troubles();
                self.heartbeats.announce(presence);
            }
            Action::Stopped => return true,
        }
        false
    }

    fn settle(&mut self, tag: Tag) -> Option<Box<Delivery>> {
        let held = self.held.get_mut(&tag)?;
        let delivery = held.delivery.take();
        if !held.is_running {
            self.held.remove(&tag);
        }
        delivery
    }

    pub(super) fn work_ended(&mut self, tag: Tag) {
        let Some(held) = self.held.get_mut(&tag) else { return };
        held.is_running = false;
        if held.delivery.is_none() {
            self.held.remove(&tag);
        }
    }

    fn start(&mut self, tag: Tag, task: Box<Task>, isolated: bool) {
        let Some(held) = self.held.get_mut(&tag) else { return };
        let Some(lane) = self.lanes.get_mut(&held.lane) else { return };
        held.is_running = true;
        let (transport, runtime) = (Arc::clone(&self.transport), tokio::runtime::Handle::current());
        let parts = PartPublisher::new(transport, runtime, self.clock, task.address.clone());
        lane.executor(isolated).start(Assigned { tag, task, parts });
    }

    fn cancel(&mut self, tag: Tag) {
        let Some(held) = self.held.get(&tag).filter(|held| held.is_running) else { return };
        if let Some(lane) = self.lanes.get_mut(&held.lane) {
            lane.cancel(tag);
        }
    }

    pub(super) fn cancel_all(&mut self) {
        for tag in self.held.keys().copied().collect::<Vec<_>>() {
            self.cancel(tag);
        }
    }

    async fn dead_letter(&mut self, tag: Tag, reason: &Reason) {
        let Some(delivery) = self.held.get(&tag).and_then(|held| held.delivery.as_ref()) else { return };
        let id = &*delivery.message.id;
        tracing::warn!(%reason, id, "A message is refused and goes to the dead-letter exchange.");
        let dead_letter = DeadLetter::wrap(delivery.message.clone(), reason, &self.host);
        let (transport, key) = (Arc::clone(&self.transport), delivery.key.clone());
        let delay = reason.delay();
        let publish = async move {
            tokio::time::sleep(delay).await;
            transport::dead_letter(&*transport, &key, dead_letter).await
        };
        self.publish(publish, Event::Confirmed { tag }).await;
    }

    async fn publish(
        &mut self,
        publish: impl Future<Output = Result<(), TransportError>> + Send + 'static,
        then: Event,
    ) {
        let inputs = self.inputs.clone();
        let mut publish = Box::pin(async move {
            let input = match publish.await {
                Ok(()) => Input::Event(then),
                Err(error) => Input::Failed(error),
            };
            let _ = inputs.send(input);
        });
        // In one process an outcome is taken at once.
        if poll_fn(|context| Poll::Ready(publish.as_mut().poll(context))).await.is_pending() {
            self.publishes.spawn(publish);
        }
    }
}
