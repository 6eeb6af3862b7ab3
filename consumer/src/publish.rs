//! Publishing what must arrive: outcomes, parts of them, dead letters.

use std::sync::Arc;

use shared::clock::Clock;
use shared::id::OwnerId;
use shared::limits;
use shared::message::{Lease, Message, Outcome};
use shared::random::{self, Jitter};
use shared::topology;
use shared::transport::{PublishError, Transport, TransportError};

use crate::engine::Consumer;

/// Why a message did not get to an owner.
pub(crate) enum Unpublished {
    /// It is larger than a message may be, by this many bytes in all.
    TooLarge(usize),
    /// The transport is at its end.
    Transport(TransportError),
}

/// Publishes to an owner until its queue has it: a full queue is the owner's back-pressure.
pub(crate) async fn to_owner(
    transport: &dyn Transport,
    owner: &OwnerId,
    message: impl Fn() -> Message,
) -> Result<(), Unpublished> {
    let mut jitter = Jitter::new(random::seed());
    let mut failures = 0;
    loop {
        match transport.publish(topology::OUTCOMES, owner.as_str(), message()).await {
            Ok(()) => return Ok(()),
            Err(PublishError::Refused { .. }) => {
                failures += 1;
                let wait = jitter.back_off(limits::REFUSED_DELAY, limits::REFUSED_DELAY_MAX, failures);
                tokio::time::sleep(wait).await;
            }
            Err(PublishError::TooLarge { bytes }) => return Err(Unpublished::TooLarge(bytes)),
            Err(PublishError::Transport(error)) => return Err(Unpublished::Transport(error)),
        }
    }
}

pub(crate) async fn outcome(
    transport: Arc<dyn Transport>,
    clock: Clock,
    mut outcome: Outcome,
) -> Result<(), TransportError> {
    loop {
        let message = || outcome.to_message(clock.system());
        match to_owner(&*transport, &outcome.address.owner, message).await {
            Ok(()) => return Ok(()),
            Err(Unpublished::TooLarge(bytes)) => outcome = Consumer::too_large(outcome, bytes),
            Err(Unpublished::Transport(error)) => return Err(error),
        }
    }
}

pub(crate) async fn lease(transport: Arc<dyn Transport>, clock: Clock, lease: Lease) -> Result<(), TransportError> {
    let message = || lease.to_message(clock.system());
    match to_owner(&*transport, &lease.address.owner, message).await {
        // Its task was a message, and it is no larger.
        Ok(()) | Err(Unpublished::TooLarge(_)) => Ok(()),
        Err(Unpublished::Transport(error)) => Err(error),
    }
}

pub(crate) async fn letter(
    transport: Arc<dyn Transport>,
    key: String,
    mut letter: Message,
) -> Result<(), TransportError> {
    loop {
        match transport.publish(topology::DEAD, &key, letter.clone()).await {
            Ok(()) => return Ok(()),
            Err(PublishError::Refused { .. }) => tokio::time::sleep(limits::REFUSED_DELAY_MAX).await,
            // What is too large to be moved leaves its envelope as a trace.
            Err(PublishError::TooLarge { .. }) => letter.body = bytes::Bytes::new(),
            Err(PublishError::Transport(error)) => return Err(error),
        }
    }
}
