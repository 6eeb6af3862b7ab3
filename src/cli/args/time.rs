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
    }
}
