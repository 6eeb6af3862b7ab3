//! Time for the engines. Engines never read a clock; the time is passed to them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time since 1970. Comparable within one process; moments from one [`Clock`] never decrease.
pub type Moment = Duration;

/// A clock that starts at wall-clock time and is monotonic from then on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Moment,
    since: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), since: Instant::now() }
    }

    /// The current time, for a message's timestamp.
    pub fn system(&self) -> SystemTime {
        UNIX_EPOCH + self.now()
    }

    pub fn now(&self) -> Moment {
        self.started + self.since.elapsed()
    }
}

/// Shows a time in seconds since 1970 in UTC. A time that is no valid date is shown as a number.
pub fn time(seconds: f64) -> String {
    /// The first second of the year 10000.
    const END: f64 = 253_402_300_800.0;
    if !(0.0..END).contains(&seconds) {
        return format!("{seconds} s since 1970");
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs_f64(seconds)).to_string()
}

/// Shows a time in nanoseconds since 1970 in UTC, with all its digits.
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
