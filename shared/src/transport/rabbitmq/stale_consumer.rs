//! Detects a consumer that the broker has dropped silently.
//!
//! If a quorum queue is deleted and declared again within some 20 ms, its consumers are told
//! nothing (RabbitMQ 3.10.8, any client). They keep waiting at the deleted queue and get nothing
//! from the new queue of the same name. Later the broker counts them as consumers of the new queue
//! and assigns them messages up to their prefetch, which never arrive. So a consumer that gets
//! nothing checks whether more messages than that wait. A smaller backlog cannot be detected from
//! here; the owner resends until it grows.

use std::time::Duration;

use crate::transport::QueueState;

/// Time between two checks of the queue of a consumer that gets nothing.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// Messages on a consumer's current channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) delivered: u64,
    /// Delivered messages that are not settled yet.
    pub(super) held: usize,
}

/// The checks of one consumer.
#[derive(Debug, Default)]
pub(super) struct StaleCheck {
    /// Messages delivered until the last check.
    delivered: u64,
    /// Whether messages were waiting at the last check that the consumer should have got.
    passed_over: bool,
}

impl StaleCheck {
    /// Whether a message was delivered since the last check, so that no check is needed.
    pub(super) fn is_served(&mut self, traffic: Traffic) -> bool {
        let is_served = traffic.delivered != self.delivered;
        if is_served {
            *self = Self { delivered: traffic.delivered, passed_over: false };
        }
        is_served
    }

    /// Whether the consumer is proved stale: at two checks in a row messages were waiting that it
    /// had room for, and it got none. It has room if it holds nothing, or if the queue counts no
    /// consumers at all. A queue that is between two leaders counts no consumers, but no messages
    /// either.
    pub(super) fn is_proved(&mut self, traffic: Traffic, found: QueueState) -> bool {
        if self.is_served(traffic) {
            return false;
        }
        let passed_over = found.ready > 0 && (traffic.held == 0 || found.consumers == 0);
        std::mem::replace(&mut self.passed_over, passed_over) && passed_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Traffic = Traffic { delivered: 7, held: 0 };
    const BUSY: Traffic = Traffic { delivered: 7, held: 2 };

    fn proved(looks: &[(Traffic, u32, u32)]) -> Vec<bool> {
        let mut stale = StaleCheck { delivered: 7, passed_over: false };
        let look = |&(traffic, ready, consumers): &_| stale.is_proved(traffic, QueueState { ready, consumers });
        looks.iter().map(look).collect()
    }

    #[test]
    fn a_consumer_that_is_passed_over_twice_is_forgotten() {
        assert_eq!(proved(&[(IDLE, 1, 0), (IDLE, 1, 0)]), [false, true]);
        assert_eq!(proved(&[(IDLE, 1, 5), (IDLE, 3, 5)]), [false, true], "others have come back");
        assert_eq!(proved(&[(BUSY, 1, 0), (BUSY, 1, 0)]), [false, true], "what it holds is of a queue that is gone");
    }

    #[test]
    fn a_consumer_that_is_served_full_or_without_work_is_not() {
        let served = Traffic { delivered: 8, held: 0 };
        assert_eq!(proved(&[(IDLE, 1, 1), (served, 1, 1), (served, 1, 1)]), [false; 3]);
        assert_eq!(proved(&[(BUSY, 9, 1), (BUSY, 9, 1)]), [false; 2], "it has no room");
        assert_eq!(proved(&[(IDLE, 1, 1), (IDLE, 0, 1), (IDLE, 1, 1)]), [false; 3], "not in a row");
        assert_eq!(proved(&[(IDLE, 0, 0), (IDLE, 0, 0)]), [false; 2], "between two leaders");
    }
}
