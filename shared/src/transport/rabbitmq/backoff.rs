//! Waits between tries: doubled each time, with jitter, so that many clients do not reconnect at
//! the same moment.

use std::time::Duration;

use crate::protocol::limits::{RECONNECT_DELAY, RECONNECT_DELAY_MAX};
use crate::system::random::{self, Jitter};

#[derive(Debug)]
pub(super) struct Backoff {
    jitter: Jitter,
    failures: u32,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { jitter: Jitter::new(random::seed()), failures: 0 }
    }

    /// Called after a try that succeeded.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait: between half and all of the step.
    pub(super) fn delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.jitter.back_off(RECONNECT_DELAY, RECONNECT_DELAY_MAX, self.failures)
    }

    /// Waits after a try that failed because of `cause`. Only the second failure in a row is logged
    /// as a warning: the first is an ordinary loss of a connection, and a third adds nothing new.
    pub(super) async fn wait_after(&mut self, cause: &str) {
        if self.failures == 1 {
            tracing::warn!("{cause}; trying again");
        } else {
            tracing::debug!("{cause}; trying again");
        }
        self.wait().await;
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
        assert!(backoff.delay() <= RECONNECT_DELAY);
        for _ in 0..20 {
            let delay = backoff.delay();
            assert!(delay >= RECONNECT_DELAY && delay <= RECONNECT_DELAY_MAX, "{delay:?}");
        }
        assert!(backoff.delay() >= RECONNECT_DELAY_MAX / 2);
    }
}
