//! Requests and signs of life from the control exchange.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use shared::control::Asker;
use shared::id::OwnerId;
use shared::message::{Message, Presence, Reason, Reply, Request, kind};
use shared::random;
use shared::shutdown::Shutdown;
use shared::topology;
use shared::transport::{Incoming, PublishError, Subscription, Transport, TransportError};

use super::ServiceError;
use super::outbox::{Wiring, declare_classes};
use crate::owner::{Event, ReplyTo};
use crate::report;

/// How long an owner of the same name has to say that it is there.
const SECOND_OWNER: Duration = Duration::from_millis(700);

pub(super) async fn refuse_second(transport: &Arc<dyn Transport>, owner: &OwnerId) -> Result<(), ServiceError> {
    let mut asker = Asker::new(Arc::clone(transport)).await?;
    match asker.ask(owner, &Request::Ping, SECOND_OWNER).await? {
        Some(_) => Err(ServiceError::Running(owner.clone())),
        None => Ok(()),
    }
}

/// Asks every consumer for a sign of life at once, rather than at its next heartbeat.
pub(super) async fn call_consumers(transport: &Arc<dyn Transport>, clock: Clock) -> Result<(), TransportError> {
    let message = Message::json(kind::REQUEST, random::token(), &Request::Ping, clock.system());
    match transport.publish(topology::CONTROL, topology::ALL_CONSUMERS, message).await {
        Err(PublishError::Transport(error)) => Err(error),
        // A hint that is not heard costs a heartbeat.
        _ => Ok(()),
    }
}

pub(super) fn spawn(requests: Box<dyn Subscription>, wiring: Arc<Wiring>, shutdown: Shutdown) {
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = shutdown.asked() => {}
            () = listen(requests, &wiring) => {}
        }
    });
}

async fn listen(mut requests: Box<dyn Subscription>, wiring: &Arc<Wiring>) {
    loop {
        match requests.next().await {
            Ok(Incoming::Delivery(delivery)) => match take(&delivery.message, wiring).await {
                Ok(()) => delivery.acker.ack().await,
                Err(reason) => wiring.bury(wiring.deliveries.hold(delivery), reason.to_string()),
            },
            Ok(Incoming::Interrupted) => {}
            Err(error) => return wiring.fail(error.into()).await,
        }
    }
}

async fn take(message: &Message, wiring: &Arc<Wiring>) -> Result<(), Reason> {
    if message.kind == kind::PRESENCE {
        message.expect(kind::PRESENCE)?;
        let presence: Presence = message.parse()?;
        wiring.tell(Event::Presence(Box::new(presence))).await;
        return Ok(());
    }
    message.expect(kind::REQUEST)?;
    let request: Request = message.parse()?;
    let Some(key) = message.reply_to.clone() else { return Ok(()) };
    let reply = ReplyTo::Remote { key, correlation: message.id.clone() };
    match request {
        Request::Open { job, spec } => match declare_classes(&wiring.transport, &spec).await {
            Ok(()) => wiring.tell(Event::Open { job, spec, reply }).await,
            Err(error) => wiring.reply(reply, Reply::Refused { reason: error.to_string() }),
        },
        Request::Status { job } => wiring.tell(Event::Status { job, reply }).await,
        Request::Jobs => wiring.tell(Event::Jobs { reply }).await,
        Request::Ping => {
            let owner = wiring.owner().clone();
            wiring.reply(reply, Reply::Pong { owner });
        }
        Request::Report { job, from } => {
            // Off this loop: a long report must not delay signs of life.
            let wiring = Arc::clone(wiring);
            tokio::spawn(async move {
                let store = wiring.store.clone();
                let chunk = tokio::task::spawn_blocking(move || report::chunk(&store, &job, from)).await;
                let answer = match chunk {
                    Ok(Ok(chunk)) => Reply::Report(chunk),
                    Ok(Err(report::ReportError::UnknownJob(_))) => Reply::UnknownJob,
                    Ok(Err(error)) => Reply::Refused { reason: error.to_string() },
                    Err(error) => Reply::Refused { reason: error.to_string() },
                };
                wiring.reply(reply, answer);
            });
        }
    }
    Ok(())
}
