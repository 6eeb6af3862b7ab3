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

/// A time in seconds since 1970 for people, in UTC. An absurd one is shown as it is.
pub fn time(seconds: f64) -> String {
    /// The first second of the year 10000.
    const END: f64 = 253_402_300_800.0;
    if !(0.0..END).contains(&seconds) {
        return format!("{seconds} s since 1970");
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs_f64(seconds)).to_string()
}

/// A time in nanoseconds since 1970 for people, in UTC, with all its digits.
pub fn utc(nanoseconds: i64) -> String {
    let (seconds, rest) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    match u64::try_from(seconds) {
        Ok(seconds) => {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(rest.unsigned_abs());
            if rest == 0 {
                humantime::format_rfc3339_seconds(time).to_string()
            } else {
                humantime::format_rfc3339_nanos(time).to_string()
            }
        }
        Err(_) => format!("{seconds} s since 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_too_absurd_to_be_shown() {
        for seconds in [f64::NAN, -1.0, f64::INFINITY, 1e300, 253_402_300_799.999] {
            assert!(!time(seconds).is_empty());
        }
    }
}
