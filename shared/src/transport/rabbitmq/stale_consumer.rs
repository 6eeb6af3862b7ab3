//! Whether the broker has forgotten a consumer.
//!
//! A quorum queue that is deleted and declared again at once, within some 20 ms, tells its consumers nothing
//! (RabbitMQ 3.10.8, any client): they wait at a queue that is gone, and of the one that has its name now they
//! get nothing. Later the broker counts them as its consumers and hands them as many messages as they may
//! hold, which never come. So a consumer that gets nothing looks whether more wait. Fewer are not to be seen
//! from outside: their owners send them again until there are more.

use std::time::Duration;

use crate::transport::QueueState;

/// Between two looks at the queue of a consumer that gets nothing.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// What has come on a consumer's present channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traffic {
    /// Messages that were delivered.
    pub(super) delivered: u64,
    /// Those of them that are not settled yet.
    pub(super) held: usize,
}

/// What one consumer has seen.
#[derive(Debug, Default)]
pub(super) struct StaleCheck {
    /// At the last look.
    delivered: u64,
    /// Whether messages waited then that it should have got.
    passed_over: bool,
}

impl StaleCheck {
    /// Whether something was delivered since the last look, so that there is no need for one.
    pub(super) fn is_served(&mut self, traffic: Traffic) -> bool {
        let is_served = traffic.delivered != self.delivered;
        if is_served {
            *self = Self { delivered: traffic.delivered, passed_over: false };
        }
        is_served
    }

    /// Whether messages waited at two looks in a row while the consumer, which got none, had room for them:
    /// it holds nothing, or nobody consumes from that queue at all. A queue that is between two leaders
    /// counts no consumers, but no messages either.
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
