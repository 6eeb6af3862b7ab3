//! Which deliveries of one channel are acked together. Pure: no I/O.
//!
//! Invariant: an ack of several deliveries covers only such as were acked or given back, and none
//! that is still held.

use std::collections::BTreeSet;

/// An ack to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    /// The delivery's number on its channel.
    pub tag: u64,
    /// Whether it also acks all deliveries of the channel before this one.
    pub multiple: bool,
}

/// The deliveries of one channel.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// Delivered, and neither acked nor given back.
    held: BTreeSet<u64>,
    /// Acked by whoever had them, and not yet sent.
    acked: BTreeSet<u64>,
}

impl Acks {
    pub fn deliver(&mut self, tag: u64) {
        self.held.insert(tag);
    }

    pub fn ack(&mut self, tag: u64) {
        if self.held.remove(&tag) {
            self.acked.insert(tag);
        }
    }

    /// A delivery is given back or refused; the caller tells the broker.
    pub fn give_back(&mut self, tag: u64) {
        self.held.remove(&tag);
    }

    /// The acks to send now.
    pub fn take(&mut self) -> Vec<Ack> {
        let mut acked = std::mem::take(&mut self.acked);
        let Some(last) = acked.last().copied() else { return Vec::new() };
        // None before this one is held.
        let first_held = self.held.first().copied().unwrap_or(last + 1);
        let rest = acked.split_off(&first_held);
        let together = acked.last().map(|&tag| Ack { tag, multiple: acked.len() > 1 });
        let alone = rest.into_iter().map(|tag| Ack { tag, multiple: false });
        together.into_iter().chain(alone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(delivered: u64, acked: &[u64]) -> Vec<(u64, bool)> {
        let mut acks = Acks::default();
        (1..=delivered).for_each(|tag| acks.deliver(tag));
        acked.iter().for_each(|&tag| acks.ack(tag));
        let sent = acks.take().into_iter().map(|ack| (ack.tag, ack.multiple)).collect();
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
        [1, 3].into_iter().for_each(|tag| acks.ack(tag));
        assert_eq!(acks.take(), [Ack { tag: 3, multiple: true }]);
        // A tag that is not held is not acked.
        acks.ack(2);
        assert_eq!(acks.take(), []);
    }
}
