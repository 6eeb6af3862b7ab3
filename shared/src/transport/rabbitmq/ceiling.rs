//! The largest message that the broker accepts. AMQP has no request for this limit: the broker
//! closes the channel of a message that is too large, and states the limit in its reply. Later
//! publishers are refused from memory, without losing the channel.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::code;

/// The limit that the broker has stated on the current connection. It is forgotten with the
/// connection, because an operator may have changed it.
#[derive(Debug, Default)]
pub(super) struct Ceiling(Mutex<Option<(usize, String)>>);

impl Ceiling {
    fn known(&self) -> MutexGuard<'_, Option<(usize, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the limit in bytes from a refusal, if the refusal states it.
    pub(super) fn learn(&self, reply: u16, words: &str) -> Option<usize> {
        let bytes_max = stated(words).filter(|_| reply == code::PRECONDITION_FAILED)?;
        *self.known() = Some((bytes_max, words.to_owned()));
        Some(bytes_max)
    }

    /// The broker's words, if a message of this size is over the known limit.
    pub(super) fn over(&self, bytes: usize) -> Option<String> {
        let known = self.known();
        let (_, words) = known.as_ref().filter(|(bytes_max, _)| bytes > *bytes_max)?;
        Some(format!("it said of an earlier message: {words}"))
    }

    /// Called for a new connection.
    pub(super) fn forget(&self) {
        *self.known() = None;
    }
}

/// Reads `message size 524301 is larger than configured max size 300000`.
fn stated(words: &str) -> Option<usize> {
    let (_, size) = words.split_once("message size ")?;
    let (_, bytes) = size.split_once("max size ")?;
    let end = bytes.find(|c: char| !c.is_ascii_digit()).unwrap_or(bytes.len());
    bytes[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_limit_is_in_its_words() {
        let ceiling = Ceiling::default();
        let words = "PRECONDITION_FAILED - message size 524301 is larger than configured max size 300000";
        assert_eq!(ceiling.learn(code::PRECONDITION_FAILED, words), Some(300_000));
        assert_eq!(ceiling.over(300_000), None);
        assert!(ceiling.over(300_001).is_some_and(|said| said.ends_with(words)));
        for other in ["PRECONDITION_FAILED - unknown delivery tag 7", "message size 1", "max size 3"] {
            assert_eq!(ceiling.learn(code::PRECONDITION_FAILED, other), None, "{other}");
        }
        assert_eq!(ceiling.learn(code::NOT_FOUND, words), None);
        ceiling.forget();
        assert_eq!(ceiling.over(usize::MAX), None);
    }
}
