//! Receives from a consumer's queues: one queue of tasks for each lane, and the control queue.

use std::sync::Arc;

use shared::protocol::message::{Announcement, Cancel, kind};
use shared::protocol::topology::Topology;
use shared::transport::{Incoming, Subscribe, Subscription, Transport, TransportError};
use tokio::sync::mpsc;

use super::{Input, Opened};
use crate::engine::{Event, Lane};

/// Forwards the deliveries of one lane's queue until the transport fails or the lane ends. `opened`
/// hears whether the subscription succeeds. Without it, a failure ends the consumer.
pub(super) async fn serve_lane(
    lane: Lane,
    wanted: Subscribe,
    transport: Arc<dyn Transport>,
    inputs: mpsc::UnboundedSender<Input>,
    opened: Option<Opened>,
) {
    let input = match (subscribe(wanted, &*transport).await, opened) {
        (Ok(subscription), opened) => {
            if let Some(opened) = opened {
                // Who has stopped waiting for it closes the lane, or leaves it open.
                let _ = opened.send(Ok(lane));
            }
            listen(lane, subscription, &inputs).await.err().map(Input::Failed)
        }
        (Err(error), Some(opened)) => {
            let _ = opened.send(Err(error.into()));
            Some(Input::Event(Event::LaneClosed { lane }))
        }
        (Err(error), None) => Some(Input::Failed(error)),
    };
    if let Some(input) = input {
        let _ = inputs.send(input);
    }
}

async fn subscribe(wanted: Subscribe, transport: &dyn Transport) -> Result<Box<dyn Subscription>, TransportError> {
    let (queues, bindings) = (vec![wanted.queue.clone()], wanted.bindings.clone());
    transport.declare(&Topology { exchanges: Vec::new(), queues, bindings }).await?;
    transport.subscribe(wanted).await
}

async fn listen(
    lane: Lane,
    mut subscription: Box<dyn Subscription>,
    inputs: &mpsc::UnboundedSender<Input>,
) -> Result<(), TransportError> {
    // The channel is bounded by the prefetch.
    loop {
        let input = match subscription.next().await? {
            Incoming::Delivery(delivery) => Input::Delivery(lane, delivery),
            Incoming::Interrupted => Input::Event(Event::Interrupted { lane }),
        };
        if inputs.send(input).is_err() {
            return Ok(());
        }
    }
}

/// Forwards control messages: cancellations and announcements as they are, any other message as a
/// heartbeat request.
pub(super) async fn hear_control(mut control: Box<dyn Subscription>, inputs: mpsc::UnboundedSender<Input>) {
    loop {
        let input = match control.next().await {
            Ok(Incoming::Delivery(delivery)) => {
                let message = &delivery.message;
                let input = match message.kind.as_ref() {
                    kind::CANCEL => Cancel::from_message(message)
                        .map(|Cancel { openings }| Input::Event(Event::Cancelled(openings))),
                    kind::ANNOUNCEMENT => {
                        Announcement::from_message(message).map(|announced| Input::Announced(Box::new(announced)))
                    }
                    _ => Ok(Input::Event(Event::HeartbeatDue)),
                };
                delivery.acker.ack().await;
                match input {
                    Ok(input) => input,
                    Err(reason) => {
                        tracing::warn!(%reason, "A message to all consumers is ignored.");
                        continue;
                    }
                }
            }
            Ok(Incoming::Interrupted) => Input::Event(Event::HeartbeatDue),
            // A consumer that cannot hear cancellations must stop.
            Err(error) => Input::Failed(error),
        };
        let is_last = matches!(input, Input::Failed(_));
        if inputs.send(input).is_err() || is_last {
            return;
        }
    }
}
