//! Waits between tries: doubled each time, with jitter, so that a fleet does not return in step.

use std::time::Duration;

use crate::limits::{RECONNECT_DELAY, RECONNECT_DELAY_MAX};

/// The wait before the next try.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: RECONNECT_DELAY }
    }

    /// The last try went well.
    pub(super) fn reset(&mut self) {
        self.next = RECONNECT_DELAY;
    }

    /// How long to wait now: between half and one and a half of the step.
    pub(super) fn delay(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(RECONNECT_DELAY_MAX);
        step.mul_f64(0.5 + rand::random::<f64>()).min(RECONNECT_DELAY_MAX)
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.delay()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_within_their_bounds() {
        let mut backoff = Backoff::new();
        assert!(backoff.delay() <= RECONNECT_DELAY * 3 / 2);
        for _ in 0..20 {
            let delay = backoff.delay();
            assert!(delay >= RECONNECT_DELAY && delay <= RECONNECT_DELAY_MAX, "{delay:?}");
        }
        assert!(backoff.delay() >= RECONNECT_DELAY_MAX / 2);
    }
}
