//! Publishes the parts of one task's answer while the task is worked on.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use shared::protocol::id::RunId;
use shared::protocol::message::{Address, Part, Parts};
use shared::system::clock::Clock;
use shared::system::random;
use shared::transport::{Oversize, Transport, Unpublished};

use super::to_owner;
use crate::parts::PartQueue;
use crate::work::{Piece, Unsent};

/// Publishes from the working thread and waits for each confirm. So at most one part of a task is
/// in memory.
pub(crate) struct PartPublisher {
    transport: Arc<dyn Transport>,
    runtime: tokio::runtime::Handle,
    clock: Clock,
    queue: PartQueue,
}

/// Why one part was not published.
enum Ended {
    /// A smaller part may be accepted.
    TooLarge(Oversize),
    Unsent(Unsent),
}

/// How often a blocked publish checks for cancellation.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl PartPublisher {
    /// `address` is that of the task.
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        runtime: tokio::runtime::Handle,
        clock: Clock,
        address: Address,
    ) -> Self {
        Self { transport, runtime, clock, queue: PartQueue::new(address) }
    }

    /// Publishes a piece and waits for the confirm, or until the task is cancelled.
    pub(crate) fn publish(&mut self, piece: Piece, cancelled: &dyn Fn() -> bool) -> Result<(), Unsent> {
        self.queue.push(piece, || RunId::from_name(random::token().as_bytes()));
        while let Some(part) = self.queue.next() {
            match self.publish_one(&part, cancelled) {
                Ok(()) => self.queue.confirmed(),
                Err(Ended::TooLarge(oversize)) => self.queue.too_large(oversize)?,
                Err(Ended::Unsent(unsent)) => {
                    self.queue.give_up();
                    return Err(unsent);
                }
            }
        }
        Ok(())
    }

    fn publish_one(&self, part: &Part, cancelled: &dyn Fn() -> bool) -> Result<(), Ended> {
        let message = || part.to_message(self.clock.system());
        let cancelled = async {
            while !cancelled() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                published = to_owner(&*self.transport, &part.address.owner, message) => match published {
                    Ok(()) => Ok(()),
                    Err(Unpublished::TooLarge(oversize)) => Err(Ended::TooLarge(oversize)),
                    // The consumer's loop gets the same transport error and ends.
                    Err(Unpublished::Transport(error)) => Err(Ended::Unsent(Unsent::Lost(error.to_string()))),
                },
                () = cancelled => Err(Ended::Unsent(Unsent::Cancelled)),
            }
        })
    }

    pub(crate) fn parts(self) -> Option<Parts> {
        self.queue.parts()
    }
}
