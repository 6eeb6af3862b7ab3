//! The ledger's thread: takes the events that have gathered, commits them in one turn, and hands
//! out the actions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shared::system::clock::Clock;
use shared::system::threads::{self, NoThread};
use tokio::sync::mpsc;

use super::ServiceError;
use super::wiring::Wiring;
use crate::ledger::{Action, Arrived, Ledger};
use crate::owner::Event;
use crate::store::StoreError;

/// Events of one transaction, at most. This bounds how long a caller waits for its commit.
const TURN_EVENTS: usize = 512;

/// Starts the thread. It runs until every sender of inputs is gone, or the store fails.
pub(super) fn spawn(
    ledger: Ledger,
    clock: Clock,
    inputs: mpsc::Receiver<Arrived>,
    outbox: mpsc::UnboundedSender<Action>,
    wiring: Arc<Wiring>,
) -> Result<(), NoThread> {
    let run = move || {
        // A panic here must end the owner with an error, not leave it waiting for a dead thread.
        let run = AssertUnwindSafe(|| run(ledger, clock, inputs, &outbox));
        let ended = catch_unwind(run).map_err(|_| ServiceError::Broken);
        if let Err(error) = ended.and_then(|ended| ended.map_err(ServiceError::from)) {
            wiring.note_end(Err(error));
        }
    };
    threads::start("ledger", run).map(drop)
}

/// Takes the inputs that have gathered; waits for one unless a turn is due without any. `false` if
/// every sender is gone.
fn gather(inputs: &mut mpsc::Receiver<Arrived>, events: &mut Vec<Arrived>, is_due: bool) -> bool {
    if !is_due {
        return inputs.blocking_recv_many(events, TURN_EVENTS) > 0;
    }
    while events.len() < TURN_EVENTS
        && let Ok(arrived) = inputs.try_recv()
    {
        events.push(arrived);
    }
    true
}

fn run(
    mut ledger: Ledger,
    clock: Clock,
    mut inputs: mpsc::Receiver<Arrived>,
    outbox: &mpsc::UnboundedSender<Action>,
) -> Result<(), StoreError> {
    let mut events = Vec::with_capacity(TURN_EVENTS);
    while gather(&mut inputs, &mut events, ledger.has_more()) {
        let stop = events.iter().any(|event| matches!(event, Arrived::Complete(Event::Stop)));
        for action in ledger.turn(std::mem::take(&mut events), clock.now())? {
            if outbox.send(action).is_err() {
                return Ok(());
            }
        }
        if stop {
            return Ok(());
        }
    }
    Ok(())
}
