//! Times on the command line.

use std::time::Duration;

use shared::protocol::limits;

/// About thirty years in seconds. Times up to this limit can be added without overflow.
const SECONDS_MAX: f64 = 1e9;

/// Parses a time in seconds, above 0.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds) && *seconds > 0.0);
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("give a number of seconds above 0, at most {SECONDS_MAX}"))
}

/// Seconds of a day.
pub const DAY: f64 = 86_400.0;

/// Parses a time in days: at least a minute, so that whoever waits for a job still finds it.
pub(super) fn days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days| (60.0 / DAY..=SECONDS_MAX / DAY).contains(days));
    days.ok_or_else(|| {
        format!("give a number of days, at least 0.0007 (a minute) and at most {}", (SECONDS_MAX / DAY) as u32)
    })
}

/// Parses a heartbeat interval in seconds, above 0.
pub(super) fn heartbeat(text: &str) -> Result<Duration, String> {
    let most = limits::HEARTBEAT_MAX;
    let wrong = || format!("give a number of seconds above 0, at most {}", most.as_secs());
    seconds(text).ok().filter(|heartbeat| *heartbeat <= most).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_above_zero_and_stay_times() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("1e9").is_ok() && heartbeat("3600").is_ok());
        for wrong in ["", "0", "-0.0", "-1", "NaN", "inf", "1e10", "1.8e19", "1s"] {
            assert!(seconds(wrong).is_err() && heartbeat(wrong).is_err(), "{wrong}");
        }
        assert!(heartbeat("3601").is_err());
        assert!(days("30") == Ok(30.0) && days("0.0007").is_ok());
        for wrong in ["0", "-1", "NaN", "inf", "0.0006", "12000", "30d"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }
}
