//! What arrives in the owner's own queue: outcomes, plans, seals, its dead letters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use shared::id::OwnerId;
use shared::message::{DeadLetter, Message, Outcome, Planned, Reason, Seal, kind};
use shared::shutdown::Shutdown;
use shared::transport::{Delivery, Incoming, Subscription};

use super::outbox::Wiring;
use crate::owner::{Check, Event, Tag};

/// Deliveries that are not settled yet; the broker's prefetch bounds them.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    next: AtomicU64,
    held: Mutex<BTreeMap<Tag, Box<Delivery>>>,
}

impl Deliveries {
    pub fn hold(&self, delivery: Box<Delivery>) -> Tag {
        let tag = self.next.fetch_add(1, Ordering::Relaxed);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(tag, delivery);
        tag
    }

    pub fn take(&self, tag: Tag) -> Option<Box<Delivery>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&tag)
    }
}

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
                let message = delivery.message.clone();
                let tag = wiring.deliveries.hold(delivery);
                match read(&message, tag, wiring.owner()) {
                    Ok(event) => wiring.tell(event).await,
                    Err(reason) => wiring.bury(tag, reason.to_string()),
                }
            }
            // Only a command's queue is empty when it is there again.
            Ok(Incoming::Interrupted) if is_command => wiring.tell(Event::Interrupted).await,
            Ok(Incoming::Interrupted) => {}
            Err(error) => return wiring.fail(error.into()).await,
        }
    }
}

fn read(message: &Message, tag: Tag, owner: &OwnerId) -> Result<Event, Reason> {
    let tag = Some(tag);
    match message.kind.as_str() {
        kind::OUTCOME => {
            let outcome = Box::new(Outcome::from_message(message)?);
            Ok(Event::Outcome { outcome, check: Check::None, items: 0, tag })
        }
        kind::PLANNED => {
            let (job, planned) = Planned::from_message(message)?;
            Ok(Event::Planned { job, planned: Box::new(planned), tag })
        }
        kind::SEAL => Ok(Event::Seal { seal: Seal::from_message(message)?, tag }),
        // Whatever else comes was bound here by the dead-letter exchange: a task of this owner in
        // whatever state, its kind possibly spoilt.
        other => match DeadLetter::read(message, owner) {
            Some(letter) => Ok(Event::DeadLetter { letter, items: 0, tag }),
            None => Err(Reason::Kind { kind: other.to_owned() }),
        },
    }
}
