//! The form in which a refused message is published to the dead-letter exchange, and how an owner
//! reads it.

use std::fmt;
use std::sync::Arc;

use crate::protocol::id::{OpeningId, OwnerId, PlanHash, TaskId};

use super::Message;
use super::headers::header_bytes;

/// Header in which the broker says why it first moved a message to a dead-letter exchange.
pub const FIRST_DEATH_REASON: &str = "x-first-death-reason";

/// Bytes of headers that a refused message keeps. With the reason added it stays below
/// [`limits::HEADERS_BYTES_MAX`]; otherwise no consumer could dead-letter it.
const HEADERS_KEPT: usize = 8 * 1024;

/// Bytes of the added reason, at most.
const REASON_BYTES_MAX: usize = 2 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// A consumer refused the message, or rejected it without a reason.
    Refused,
    /// The broker gave the message up after too many deliveries.
    GivenUp,
    /// The message waited longer than a policy of the broker allows (`message-ttl`).
    Expired,
    /// The broker dropped the message from a full queue because of a policy (`max-length`,
    /// `overflow`).
    Dropped,
}

impl Death {
    /// Whether this death counts as an attempt at the task. A message that a policy removed from
    /// its queue may be sent again unchanged.
    pub const fn is_an_attempt(self) -> bool {
        match self {
            Self::Refused | Self::GivenUp => true,
            Self::Expired | Self::Dropped => false,
        }
    }

    /// Reads the broker's word in [`FIRST_DEATH_REASON`].
    pub(crate) fn of(reason: Option<&str>) -> Self {
        match reason {
            Some("expired") => Self::Expired,
            Some("maxlen") => Self::Dropped,
            Some("rejected") => Self::Refused,
            _ => Self::GivenUp,
        }
    }
}

/// A message that came back dead: a consumer refused it, the broker gave it up after too many
/// deliveries, or a policy removed it from its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The task that the message claims to be.
    pub task: TaskId,
    /// The opening that the message claims to belong to, and the plan up to its task.
    pub of: Option<(OpeningId, PlanHash)>,
    pub death: Death,
    /// The consumer's reason, or the broker's word.
    pub reason: String,
    /// Host that refused the message, if that is known.
    pub host: Option<String>,
    /// The attempt, if that is known.
    pub attempt: Option<u32>,
}

impl DeadLetter {
    /// Makes the message for the dead-letter exchange. It adds the reason in header `reason` and
    /// the refusing host in header `host`. Other headers stay as long as they fit into 8 KiB,
    /// because an untrusted message may have headers that fill a frame.
    pub fn wrap(message: impl Into<Arc<Message>>, reason: impl fmt::Display, host: &str) -> Message {
        let mut message = Arc::unwrap_or_clone(message.into());
        let mut room = HEADERS_KEPT;
        message.headers.retain(|name, value| {
            let left = room.checked_sub(header_bytes(name, value));
            room = left.unwrap_or(room);
            left.is_some()
        });
        let mut reason = reason.to_string();
        let end = (0..=REASON_BYTES_MAX.min(reason.len())).rev().find(|&at| reason.is_char_boundary(at));
        reason.truncate(end.unwrap_or(0));
        message.with_text("reason", reason).with_text("host", host)
    }

    /// Reads a dead letter. `None` when the message is untrusted or does not name a task of
    /// `owner`.
    pub fn read(message: &Message, owner: &OwnerId) -> Option<Self> {
        if message.untrusted.is_some() || message.text("owner") != Some(owner.as_str()) {
            return None;
        }
        let task = message.id.parse().ok()?;
        let word = message.text(FIRST_DEATH_REASON);
        let (death, reason) = match message.text("reason") {
            Some(reason) => (Death::Refused, reason.to_owned()),
            None => (Death::of(word), format!("given up by the broker ({})", word.unwrap_or("no reason given"))),
        };
        let of = message.header_id("opening").and_then(|opening| Ok((opening, message.header_id("plan")?))).ok();
        let host = message.text("host").map(str::to_owned);
        let attempt = message.integer("attempt").and_then(|attempt| u32::try_from(attempt).ok());
        Some(Self { task, of, death, reason, host, attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeaderValue;
    use super::*;
    use crate::protocol::limits;

    #[test]
    fn what_a_policy_took_out_of_a_queue_is_told_from_what_somebody_refused() {
        let owner: OwnerId = "o".parse().expect("an id");
        let message = Message { id: "j.1".into(), ..Message::default() }.with_text("owner", "o");
        let died = |word: &str| {
            let dead_letter = DeadLetter::read(&message.clone().with_text(FIRST_DEATH_REASON, word), &owner);
            dead_letter.map(|dead_letter| (dead_letter.death, dead_letter.death.is_an_attempt()))
        };
        for (word, death, is_an_attempt) in [
            ("expired", Death::Expired, false),
            ("maxlen", Death::Dropped, false),
            ("rejected", Death::Refused, true),
            ("delivery_limit", Death::GivenUp, true),
            ("what a later version says", Death::GivenUp, true),
        ] {
            assert_eq!(died(word), Some((death, is_an_attempt)), "{word}");
        }
        // A consumer's reason counts, no matter how the dead letter itself died later.
        let refused = DeadLetter::wrap(message.clone().with_text(FIRST_DEATH_REASON, "expired"), "why", "h");
        assert_eq!(DeadLetter::read(&refused, &owner).map(|dead_letter| dead_letter.death), Some(Death::Refused));
    }

    #[test]
    fn whatever_headers_a_refused_message_has_it_can_be_dead_lettered() {
        let headers = (0..1_400).map(|number| (format!("{number:03}").into(), HeaderValue::Bool(true)));
        let message = Message { headers: headers.collect(), ..Message::default() };
        let dead_letter = DeadLetter::wrap(message, "why ".repeat(1_000), "h");
        assert!(dead_letter.headers_bytes() <= limits::HEADERS_BYTES_MAX, "{}", dead_letter.headers_bytes());
        assert!(dead_letter.text("reason").is_some_and(|reason| reason.starts_with("why ")));
    }
}
