//! Receives the messages of the owner's own queue: outcomes, plans, plan ends, dead letters.

use std::sync::Arc;

use shared::protocol::message::{DeadLetter, Lease, Message, Outcome, Part, PlanEnd, Planned, kind};
use shared::protocol::reason::Reason;
use shared::protocol::topology;
use shared::system::shutdown::Shutdown;
use shared::transport::{Delivery, Incoming, Subscription};

use super::wiring::Wiring;
use crate::ledger::Arrived;
use crate::owner::{Event, Tag};

pub(super) fn spawn(own: Box<dyn Subscription>, is_command: bool, wiring: Arc<Wiring>, shutdown: Shutdown) {
    tokio::spawn(async move {
        let run = listen(own, is_command, &wiring);
        tokio::select! {
            biased;
            () = shutdown.asked() => wiring.stop().await,
            () = run => {}
        }
    });
}

async fn listen(mut own: Box<dyn Subscription>, is_command: bool, wiring: &Arc<Wiring>) {
    loop {
        match own.next().await {
            Ok(Incoming::Delivery(delivery)) => {
                let exchange = topology::exchange_of(&delivery.key, wiring.owner());
                if exchange == topology::DEAD {
                    dead_letter(delivery, wiring).await;
                    continue;
                }
                let message = delivery.message.clone();
                let tag = wiring.deliveries.hold(delivery);
                match read(&message, exchange, tag) {
                    Ok(event) => wiring.tell(event).await,
                    Err(reason) => wiring.dead_letter(tag, reason.to_string()),
                }
            }
            // A service's queue outlives the connection. Only a command's queue is new and empty
            // then.
            Ok(Incoming::Interrupted) if is_command => wiring.tell(Event::Interrupted).await,
            Ok(Incoming::Interrupted) => {}
            Err(error) => return wiring.fail(error.into()).await,
        }
    }
}

/// Handles a dead-lettered message of any kind. The broker's dead-letter queue has a copy, so a
/// message that does not name its task is just acked.
async fn dead_letter(delivery: Box<Delivery>, wiring: &Arc<Wiring>) {
    match DeadLetter::read(&delivery.message, wiring.owner()) {
        Some(dead_letter) => {
            let tag = Some(wiring.deliveries.hold(delivery));
            wiring.tell(Arrived::DeadLetter { dead_letter, tag }).await;
        }
        None => delivery.acker.ack().await,
    }
}

/// Parses a message of an owner's own queue into an input of the ledger. A message is refused if it
/// came over another exchange than its kind, because the broker's users have rights by exchanges: a
/// consumer may send no plans, and a producer no outcomes. `tag` is the delivery that brought it.
pub fn read(message: &Message, exchange: &str, tag: Tag) -> Result<Arrived, Reason> {
    let arrived = parse(message, Some(tag))?;
    let is_plan = [kind::PLANNED, kind::PLAN_END].contains(&message.kind.as_ref());
    if exchange == if is_plan { topology::PLANS } else { topology::OUTCOMES } {
        return Ok(arrived);
    }
    Err(Reason::Exchange { kind: message.kind.to_string(), exchange: exchange.to_owned() })
}

fn parse(message: &Message, tag: Option<Tag>) -> Result<Arrived, Reason> {
    match message.kind.as_ref() {
        kind::OUTCOME => Ok(Arrived::Outcome { outcome: Box::new(Outcome::from_message(message)?), tag }),
        kind::LEASE => Ok(Arrived::Lease { lease: Box::new(Lease::from_message(message)?), tag }),
        kind::PART => Ok(Arrived::Part { part: Box::new(Part::from_message(message)?), tag }),
        kind::PLANNED => {
            let (job, place, planned) = Planned::from_message(message)?;
            Ok(Arrived::Planned { job, place, planned: Box::new(planned), tag })
        }
        kind::PLAN_END => {
            let (place, plan_end) = PlanEnd::from_message(message)?;
            Ok(Event::PlanEnd { plan_end, place, tag }.into())
        }
        other => Err(Reason::Kind { kind: other.to_owned() }),
    }
}
