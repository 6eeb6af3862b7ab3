//! Time as the engines see it: passed in, never read by them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment: time since 1970. Comparable within one process; from [`Clock`] it never goes back.
pub type Moment = Duration;

/// Wall-clock time at its start, monotonic time from then on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Moment,
    since: Instant,
}

impl Clock {
    /// Starts it.
    pub fn start() -> Self {
        Self { started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), since: Instant::now() }
    }

    /// The moment now, for a message's timestamp.
    pub fn system(&self) -> SystemTime {
        UNIX_EPOCH + self.now()
    }

    /// The moment now.
    pub fn now(&self) -> Moment {
        self.started + self.since.elapsed()
    }
}
