//! A broker that is short of memory or disk blocks connections that publish. That is not a fault:
//! publishers wait as long as it takes, and one warning is logged.

use lapin::Connection;
use tokio::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Alarm {
    blocked: bool,
    /// When the last block ended.
    ended: Option<Instant>,
}

impl Alarm {
    pub(super) fn begin(&mut self, reason: &str) {
        if !self.blocked {
            self.blocked = true;
            tracing::warn!("the broker has blocked publishing ({reason}); waiting");
        }
    }

    pub(super) fn end(&mut self, now: Instant) {
        if self.blocked {
            self.blocked = false;
            self.ended = Some(now);
            tracing::info!("the broker accepts messages again");
        }
    }

    /// Updates the state from a new connection, or from one whose events were missed.
    pub(super) fn look(&mut self, connection: &Connection) {
        if connection.status().blocked() {
            self.begin("a resource alarm");
        } else {
            self.end(Instant::now());
        }
    }

    /// How long a confirm has been missing at `now`, without the time of blocks; `None` while the
    /// connection is blocked.
    pub(super) fn waited_since(&self, since: Instant, now: Instant) -> Option<Duration> {
        let start = self.ended.map_or(since, |ended| ended.max(since));
        (!self.blocked).then(|| now.saturating_duration_since(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_under_a_block_does_not_count() {
        let (mut alarm, since) = (Alarm::default(), Instant::now());
        let after = |seconds| since + Duration::from_secs(seconds);
        assert_eq!(alarm.waited_since(since, after(1)), Some(Duration::from_secs(1)));
        alarm.begin("low on memory");
        assert_eq!(alarm.waited_since(since, after(100)), None);
        alarm.end(after(101));
        assert_eq!(alarm.waited_since(since, after(103)), Some(Duration::from_secs(2)));
    }
}
