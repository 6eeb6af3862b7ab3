//! The parts of one task's answer, published while the task is worked on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shared::clock::Clock;
use shared::id::RunId;
use shared::message::{Address, Part, Parts};
use shared::random;
use shared::transport::Transport;

use crate::publish::to_owner;
use crate::work::{Cancelled, Piece};

/// Publishes from the thread that works, and waits for each confirm: so no more than one part of a task waits
/// here, and the owner has all of them before it gets the outcome.
pub(crate) struct Publisher {
    transport: Arc<dyn Transport>,
    runtime: tokio::runtime::Handle,
    clock: Clock,
    cancelled: Arc<AtomicBool>,
    address: Address,
    /// What was published so far: few tasks have any, so a run has its id with its first part.
    parts: Option<Parts>,
}

/// Between two looks whether the answer is still wanted.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Publisher {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        runtime: tokio::runtime::Handle,
        clock: Clock,
        cancelled: Arc<AtomicBool>,
        address: Address,
    ) -> Self {
        Self { transport, runtime, clock, cancelled, address, parts: None }
    }

    /// Publishes a piece and waits until it is confirmed.
    pub(crate) fn publish(&mut self, piece: Piece) -> Result<(), Cancelled> {
        let begin = || Parts { run: RunId::from_name(random::token().as_bytes()), count: 0 };
        let parts = self.parts.get_or_insert_with(begin);
        let part = Part {
            address: self.address.clone(),
            run: parts.run.clone(),
            number: parts.count,
            item: piece.item,
            body: piece.body.into(),
        };
        parts.count += 1;
        let message = || part.to_message(self.clock.system());
        let cancelled = async {
            while !self.cancelled.load(Ordering::Relaxed) {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                published = to_owner(&*self.transport, &self.address.owner, message) => {
                    // The loop of this process meets the same end of the transport, and a part is far
                    // smaller than a message may be.
                    published.map_err(|_| Cancelled)
                }
                () = cancelled => Err(Cancelled),
            }
        })
    }

    /// What was published, if anything.
    pub(crate) fn parts(self) -> Option<Parts> {
        self.parts
    }
}
