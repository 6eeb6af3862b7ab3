//! Messages that wait, messages that are unconfirmed, and messages suspected of closing the
//! channel. No I/O.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::publish::{Pending, Publication};
use crate::protocol::limits::PUBLISH_WINDOW_MESSAGES;
use crate::transport::{Oversize, PublishError, TransportError};

/// A message that was sent and is not confirmed.
struct Unconfirmed {
    pending: Pending,
    since: Instant,
}

/// The messages of the publishing window.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Pending>,
    under_way: BTreeMap<u64, Unconfirmed>,
    next: u64,
    /// Suspects among both. While there are any, messages are sent one at a time.
    suspects: usize,
}

impl Outbox {
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.waiting.push_back(pending);
    }

    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() < if self.suspects > 0 { 1 } else { PUBLISH_WINDOW_MESSAGES }
    }

    /// The next message to send, with its number. Messages whose publisher is gone are skipped.
    pub(super) fn launch(&mut self, now: Instant) -> Option<(u64, Arc<Publication>)> {
        while self.has_room() {
            let pending = self.waiting.pop_front()?;
            if pending.is_unwanted() {
                self.suspects -= usize::from(pending.suspect);
                continue;
            }
            let (number, publication) = (self.next, Arc::clone(&pending.publication));
            self.next += 1;
            self.under_way.insert(number, Unconfirmed { pending, since: now });
            return Some((number, publication));
        }
        None
    }

    /// The broker accepted the message, or refused it.
    pub(super) fn land(&mut self, number: u64, taken: bool) {
        let Some(Unconfirmed { pending, .. }) = self.under_way.remove(&number) else { return };
        self.suspects -= usize::from(pending.suspect);
        let answer = if taken { Ok(()) } else { Err(pending.refused()) };
        pending.answer(answer);
    }

    /// When the oldest unconfirmed message was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.under_way.values().next().map(|flight| flight.since)
    }

    /// Called when the channel is lost. Unconfirmed messages are sent again, in order, before any
    /// new one.
    pub(super) fn take_back(&mut self) {
        for (_, Unconfirmed { pending, .. }) in std::mem::take(&mut self.under_way).into_iter().rev() {
            self.waiting.push_front(pending);
        }
    }

    /// Called when the broker closed the channel because of a message of more than `bytes_max`
    /// bytes. The publishers of all larger messages get the broker's words, and the others are sent
    /// again. `false` if no message is larger.
    pub(super) fn too_large(&mut self, bytes_max: usize, words: &str) -> bool {
        let is_large = |pending: &Pending| pending.publication.body.len() > bytes_max;
        if !self.under_way.values().any(|flight| is_large(&flight.pending)) {
            return false;
        }
        self.take_back();
        let (large, fitting) = std::mem::take(&mut self.waiting).into_iter().partition(is_large);
        self.waiting = fitting;
        for pending in VecDeque::into_iter(large) {
            self.suspects -= usize::from(pending.suspect);
            let oversize = Oversize { bytes: pending.publication.body.len(), words: Some(words.to_owned()) };
            pending.answer(Err(PublishError::TooLarge(oversize)));
        }
        true
    }

    /// Called when the broker closed the channel because of a bad message; it does not say which.
    /// The first time, all unconfirmed messages become suspects and are sent again one at a time:
    /// `false`. If a suspect closes the channel again, its publisher gets the error: `true`.
    pub(super) fn refused(&mut self, error: impl Fn(&Publication) -> TransportError) -> bool {
        if self.suspects == 0 {
            self.under_way.values_mut().for_each(|flight| flight.pending.suspect = true);
            self.suspects = self.under_way.len();
            self.take_back();
            return false;
        }
        // The other suspects are cleared; another bad message is found in the same way.
        self.suspects = 0;
        self.waiting.iter_mut().for_each(|pending| pending.suspect = false);
        for (_, Unconfirmed { pending, .. }) in std::mem::take(&mut self.under_way) {
            let error = error(&pending.publication);
            pending.answer(Err(PublishError::Transport(error)));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::Receiver;

    type Answer = Receiver<Result<(), PublishError>>;

    fn filled(keys: &[&str]) -> (Outbox, Vec<Answer>) {
        let mut outbox = Outbox::default();
        let answers = keys.iter().map(|key| {
            let (pending, answer) = Pending::for_test(key, key.len());
            outbox.push(pending);
            answer
        });
        let answers = answers.collect();
        (outbox, answers)
    }

    fn launched(outbox: &mut Outbox) -> Vec<(u64, String)> {
        let next = || outbox.launch(Instant::now()).map(|(number, publication)| (number, publication.key.to_string()));
        std::iter::from_fn(next).collect()
    }

    fn keys(launched: &[(u64, String)]) -> Vec<&str> {
        launched.iter().map(|(_, key)| key.as_str()).collect()
    }

    fn other(publication: &Publication) -> TransportError {
        TransportError::Other { action: publication.key.to_string(), cause: "no".to_owned() }
    }

    #[test]
    fn after_a_loss_what_is_not_confirmed_goes_again_first_and_in_order() {
        let (mut outbox, mut answers) = filled(&["a", "b", "c"]);
        let first = launched(&mut outbox);
        outbox.land(first[1].0, true);
        assert_eq!(answers[1].try_recv(), Ok(Ok(())));
        let (pending, _late) = Pending::for_test("d", 1);
        outbox.push(pending);
        outbox.take_back();
        let second = launched(&mut outbox);
        assert_eq!(keys(&second), ["a", "c", "d"]);
        outbox.land(first[0].0, true);
        assert!(answers[0].try_recv().is_err(), "a confirm of the old channel says nothing");
        outbox.land(second[0].0, false);
        assert!(matches!(answers[0].try_recv(), Ok(Err(PublishError::Refused { .. }))));
    }

    #[test]
    fn the_message_that_costs_the_channel_twice_is_the_culprit() {
        let (mut outbox, mut answers) = filled(&["a", "bad", "c"]);
        assert_eq!(launched(&mut outbox).len(), 3);
        assert!(!outbox.refused(other));
        let one = launched(&mut outbox);
        assert_eq!(keys(&one), ["a"]);
        outbox.land(one[0].0, true);
        assert_eq!(keys(&launched(&mut outbox)), ["bad"]);
        assert!(outbox.refused(other));
        assert!(matches!(answers[1].try_recv(), Ok(Err(PublishError::Transport(_)))));
        assert_eq!(keys(&launched(&mut outbox)), ["c"]);
        assert!(outbox.has_room(), "the rest goes at full width");
    }

    #[test]
    fn of_messages_that_are_too_large_each_publisher_hears_and_no_other() {
        let (mut outbox, mut answers) = filled(&["a", "four", "b", "five"]);
        assert_eq!(launched(&mut outbox).len(), 4);
        let (pending, mut late) = Pending::for_test("fives", 5);
        outbox.push(pending);
        assert!(!outbox.too_large(5, "no"), "none is larger than that");
        assert!(outbox.too_large(3, "no"));
        let heard = |bytes| Ok(Err(PublishError::TooLarge(Oversize { bytes, words: Some("no".to_owned()) })));
        assert_eq!([answers[1].try_recv(), answers[3].try_recv(), late.try_recv()], [4, 4, 5].map(heard));
        // There are no suspects, so the other two are sent together.
        assert_eq!(keys(&launched(&mut outbox)), ["a", "b"]);
    }

    #[test]
    fn who_has_gone_away_is_not_sent_for() {
        let (mut outbox, mut answers) = filled(&["a", "b"]);
        assert_eq!(launched(&mut outbox).len(), 2);
        assert!(!outbox.refused(other));
        answers.remove(0);
        assert_eq!(keys(&launched(&mut outbox)), ["b"]);
    }
}
