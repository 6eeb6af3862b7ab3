//! Receives from a consumer's queues: one queue of tasks for each lane, and the control queue.

use std::sync::Arc;

use shared::protocol::message::Cancel;
use shared::protocol::topology::Topology;
use shared::transport::{Incoming, Subscribe, Subscription, Transport, TransportError};
use tokio::sync::mpsc;

use super::Input;
use crate::engine::{Event, Lane};

/// Forwards the deliveries of one lane's queue until the transport fails or the consumer ends.
pub(super) async fn serve_lane(
    lane: Lane,
    wanted: Subscribe,
    transport: Arc<dyn Transport>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    if let Err(error) = listen(lane, wanted, &*transport, &inputs).await {
        let _ = inputs.send(Input::Failed(error));
    }
}

async fn listen(
    lane: Lane,
    wanted: Subscribe,
    transport: &dyn Transport,
    inputs: &mpsc::UnboundedSender<Input>,
) -> Result<(), TransportError> {
    let (queues, bindings) = (vec![wanted.queue.clone()], wanted.bindings.clone());
    transport.declare(&Topology { exchanges: Vec::new(), queues, bindings }).await?;
    let mut subscription = transport.subscribe(wanted).await?;
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

/// Forwards control messages: a cancellation as it is, any other message as a heartbeat request.
pub(super) async fn hear_control(mut control: Box<dyn Subscription>, inputs: mpsc::UnboundedSender<Input>) {
    loop {
        let input = match control.next().await {
            Ok(Incoming::Delivery(delivery)) => {
                let event = match Cancel::from_message(&delivery.message) {
                    Ok(Cancel { openings }) => Event::Cancelled(openings),
                    Err(_) => Event::HeartbeatDue,
                };
                delivery.acker.ack().await;
                Input::Event(event)
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
