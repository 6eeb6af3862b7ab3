//! Publishes outcomes and leases to their owners.

pub(crate) mod parts;

use std::sync::Arc;

use shared::protocol::id::OwnerId;
use shared::protocol::message::{Lease, Message, Outcome};
use shared::protocol::topology;
use shared::system::clock::Clock;
use shared::transport::{Oversize, Transport, TransportError, Unpublished, until_taken};

use crate::engine::Consumer;

/// Publishes, and repeats refused attempts until the owner's queue takes the message.
pub(crate) async fn to_owner(
    transport: &dyn Transport,
    owner: &OwnerId,
    message: impl Fn() -> Message,
) -> Result<(), Unpublished> {
    until_taken(transport, topology::OUTCOMES, owner.as_str(), message).await
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
            Err(Unpublished::TooLarge(oversize)) if outcome.verdict.failure().is_some() => {
                return Err(unsendable("reporting a failed task", &oversize));
            }
            Err(Unpublished::TooLarge(oversize)) => outcome = Consumer::too_large(outcome, oversize),
            Err(Unpublished::Transport(error)) => return Err(error),
        }
    }
}

pub(crate) async fn lease(transport: Arc<dyn Transport>, clock: Clock, lease: Lease) -> Result<(), TransportError> {
    let message = || lease.to_message(clock.system());
    match to_owner(&*transport, &lease.address.owner, message).await {
        Ok(()) => Ok(()),
        Err(Unpublished::TooLarge(oversize)) => Err(unsendable("leasing a task", &oversize)),
        Err(Unpublished::Transport(error)) => Err(error),
    }
}

/// For messages that cannot be made smaller: the consumer ends with this error.
fn unsendable(action: &str, oversize: &Oversize) -> TransportError {
    TransportError::Other { action: action.to_owned(), cause: oversize.to_string() }
}
