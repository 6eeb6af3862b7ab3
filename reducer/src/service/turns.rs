//! The ledger's thread: takes what has gathered, turns, hands out.

use std::sync::Arc;

use shared::clock::Clock;
use tokio::sync::mpsc;

use super::outbox::Wiring;
use crate::ledger::{Action, Ledger};
use crate::owner::Event;
use crate::store::StoreError;

/// Events of one transaction, at most: bounds how long a caller waits for its commit.
const TURN_EVENTS: usize = 512;

/// Runs until every sender of inputs is gone, or the store fails.
pub(super) fn spawn(
    ledger: Ledger,
    clock: Clock,
    inputs: mpsc::Receiver<Event>,
    outbox: mpsc::UnboundedSender<Action>,
    wiring: Arc<Wiring>,
) {
    let run = move || {
        let ended = run(ledger, clock, inputs, &outbox);
        wiring.end(ended.map_err(Into::into));
    };
    std::thread::Builder::new().name("ledger".to_owned()).spawn(run).expect("a thread can be started");
}

fn run(
    mut ledger: Ledger,
    clock: Clock,
    mut inputs: mpsc::Receiver<Event>,
    outbox: &mpsc::UnboundedSender<Action>,
) -> Result<(), StoreError> {
    let mut events = Vec::with_capacity(TURN_EVENTS);
    while inputs.blocking_recv_many(&mut events, TURN_EVENTS) > 0 {
        let stop = events.iter().any(|event| matches!(event, Event::Stop));
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
