//! Which deliveries of one channel are acked together. Pure: no I/O.
//!
//! Invariant: an ack of several deliveries covers only such as were acked or given back, and none
//! that is still held.

use std::collections::{BTreeMap, BTreeSet};

/// The deliveries of one channel, by their numbers on it. `A` sends the ack of one.
#[derive(Debug)]
pub struct Acks<A> {
    /// Delivered, and neither acked nor given back.
    held: BTreeSet<u64>,
    /// Acked by whoever had them, and not yet sent.
    acked: BTreeMap<u64, A>,
}

impl<A> Default for Acks<A> {
    fn default() -> Self {
        Self { held: BTreeSet::new(), acked: BTreeMap::new() }
    }
}

impl<A> Acks<A> {
    pub fn deliver(&mut self, tag: u64) {
        self.held.insert(tag);
    }

    pub fn ack(&mut self, tag: u64, acker: A) {
        if self.held.remove(&tag) {
            self.acked.insert(tag, acker);
        }
    }

    /// A delivery is given back or refused; the caller tells the broker.
    pub fn give_back(&mut self, tag: u64) {
        self.held.remove(&tag);
    }

    /// The acks to send now, each with whether it is also of all deliveries before it.
    pub fn take(&mut self) -> Vec<(A, bool)> {
        let mut acked = std::mem::take(&mut self.acked);
        // None before the first that is held.
        let alone = match self.held.first() {
            Some(first_held) => acked.split_off(first_held),
            None => BTreeMap::new(),
        };
        let is_multiple = acked.len() > 1;
        let together = acked.pop_last().map(|(_, last)| (last, is_multiple));
        together.into_iter().chain(alone.into_values().map(|acker| (acker, false))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(delivered: u64, acked: &[u64]) -> Vec<(u64, bool)> {
        let mut acks = Acks::default();
        (1..=delivered).for_each(|tag| acks.deliver(tag));
        acked.iter().for_each(|&tag| acks.ack(tag, tag));
        let sent = acks.take();
        assert_eq!(acks.take(), []);
        sent
    }

    #[test]
    fn acks_without_a_gap_are_one() {
        assert_eq!(acks(4, &[]), []);
        assert_eq!(acks(4, &[1]), [(1, false)]);
        assert_eq!(acks(4, &[2, 1, 3]), [(3, true)]);
        assert_eq!(acks(4, &[1, 2, 3, 4]), [(4, true)]);
    }

    #[test]
    fn none_covers_a_delivery_that_is_held() {
        assert_eq!(acks(5, &[2, 3]), [(2, false), (3, false)]);
        assert_eq!(acks(5, &[1, 2, 4, 5]), [(2, true), (4, false), (5, false)]);
    }

    #[test]
    fn what_was_given_back_holds_nothing_up() {
        let mut acks = Acks::default();
        (1..=3).for_each(|tag| acks.deliver(tag));
        acks.give_back(2);
        [1, 3].into_iter().for_each(|tag| acks.ack(tag, tag));
        assert_eq!(acks.take(), [(3, true)]);
        // A delivery that is not held is not acked.
        acks.ack(2, 2);
        assert_eq!(acks.take(), []);
    }
}
