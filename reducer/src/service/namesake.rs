//! Detects another process with this service's name, for example one whose store is a copy.
//!
//! A service asks for its name before it takes it, and is refused if another process answers. But
//! the process that has the name may be stopped or cut off at that time, and come back later. So
//! each service claims its name at its start, with each heartbeat, and when its connection is back,
//! and hears all other claims. Of two services with one name, the one that started earlier ends
//! ([`Session::yields_to`]), and the other one logs a warning.
//!
//! Claims may be old: a process that was stopped finds in its queue what others said meanwhile,
//! even if those are gone. So no process ends before the other one has answered a claim of its own.

use std::sync::Arc;
use std::time::Duration;

use shared::protocol::message::{Message, Request, Session, kind};
use shared::protocol::topology;
use shared::system::random;
use shared::system::shutdown::Shutdown;

use super::wiring::Wiring;
use super::{Kind, ServiceError};

/// A process's reaction to a claim of its name.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The claim is its own, which it also hears.
    Own,
    /// The other process must end: tell it that this one is there.
    Stay,
    /// This process must end if the other one is still there: ask.
    Ask,
    /// The other process is there: end.
    Yield,
}

/// `answers` is the session that the other process's claim responds to, if any.
fn judge(own: &Session, other: &Session, answers: Option<&str>) -> Verdict {
    if own.id == other.id {
        return Verdict::Own;
    }
    match (own.yields_to(other), answers == Some(own.id.as_str())) {
        (false, _) => Verdict::Stay,
        (true, false) => Verdict::Ask,
        (true, true) => Verdict::Yield,
    }
}

/// Describes another process and how its store relates to this one's.
fn describe(own: &Session, other: &Session) -> String {
    let store = if own.store == other.store { "a copy of this one's store" } else { "another store" };
    format!("{other}, with {store}")
}

/// Claims the name with each heartbeat, until the service stops.
pub(super) async fn keep_saying(wiring: Arc<Wiring>, heartbeat: Duration, shutdown: Shutdown) {
    let mut interval = tokio::time::interval(heartbeat);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.asked() => return,
            _ = interval.tick() => wiring.claim_name(None).await,
        }
    }
}

impl Wiring {
    async fn claim_name(&self, answers: Option<String>) {
        if matches!(self.kind, Kind::Command { .. }) || self.transport.is_ephemeral() {
            return;
        }
        let claim = Request::Claim { session: self.name.session.clone(), answers };
        let message = Message::json(kind::REQUEST, random::token(), &claim, self.clock.system());
        let key = topology::owner_request_key(&self.owner);
        if let Err(error) = self.transport.publish(topology::CONTROL, &key, message).await {
            tracing::debug!(%error, "This process could not claim its name; it claims it again.");
        }
    }

    /// Claims the name in the background: a blocked broker must not hold up the receiving task.
    pub fn say_name(self: &Arc<Self>, answers: Option<String>) {
        let wiring = Arc::clone(self);
        tokio::spawn(async move { wiring.claim_name(answers).await });
    }

    /// Reacts to a claim of this owner's name.
    pub async fn hear_claim(self: &Arc<Self>, other: Session, answers: Option<&str>) {
        let (owner, own) = (self.owner.clone(), &self.name.session);
        match judge(own, &other, answers) {
            Verdict::Own => {}
            Verdict::Stay => {
                if self.name.is_new(&other) {
                    tracing::warn!(
                        "Another reducer {owner} answers: {}. It started earlier, so it ends, and this one goes on. \
                         Requests that only it received are in its store.",
                        describe(own, &other)
                    );
                }
                self.say_name(Some(other.id));
            }
            Verdict::Ask => self.say_name(None),
            Verdict::Yield => {
                let other = describe(own, &other);
                self.fail(ServiceError::Superseded { owner, other }).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::protocol::id::StoreId;

    use super::*;

    fn session(id: &str, since: f64) -> Session {
        let store = StoreId::from_name(b"s");
        Session { id: id.to_owned(), store, host: "h".to_owned(), process: 1, since }
    }

    #[test]
    fn who_started_earlier_yields_to_who_is_still_there_and_nobody_to_itself() {
        let (first, second) = (session("b", 1.0), session("a", 2.0));
        assert_eq!(judge(&first, &first, Some("b")), Verdict::Own);
        assert_eq!(judge(&first, &second, None), Verdict::Ask);
        // An answer to a claim of a third process.
        assert_eq!(judge(&first, &second, Some("c")), Verdict::Ask);
        assert_eq!(judge(&first, &second, Some("b")), Verdict::Yield);
        assert_eq!(judge(&second, &first, None), Verdict::Stay);
        assert_eq!(judge(&second, &first, Some("a")), Verdict::Stay);
    }

    #[test]
    fn another_process_is_told_with_what_its_store_is() {
        let (own, copy) = (session("a", 1.0), session("b", 2.0));
        assert_eq!(describe(&own, &copy), "process 1 on h, with a copy of this one's store");
        let other = Session { store: StoreId::from_name(b"t"), ..copy };
        assert_eq!(describe(&own, &other), "process 1 on h, with another store");
    }
}
