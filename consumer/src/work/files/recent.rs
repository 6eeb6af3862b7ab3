//! Files that changed just now: another change within the clock's granularity might leave the same
//! stamp, and would not be detected.
//!
//! Such a file is deferred to the end of its task, and read when every later change must show in
//! its stamp.

use std::time::Duration;

use super::Opened;
use super::stamp::{Stamp, Time};
use super::system::System;

/// The coarsest tick of the clock that stamps files: 100 times a second, on Linux `CONFIG_HZ`.
/// (Since 6.13 Linux gives files of many file systems a finer time where two changes could not be
/// told apart.)
const TICK: Duration = Duration::from_millis(10);

const SECOND: Duration = Duration::from_secs(1);

/// The longest sleep between two checks for cancellation.
const SLICE: Duration = Duration::from_millis(50);

/// The limit of a wait. Reached only if the clock is set back meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// The longest time in which a file may change repeatedly and keep the same stamp.
fn granularity(system: System, stamp: &Stamp) -> Duration {
    let has_fraction = stamp.modified.1 != 0 || stamp.changed.1 != 0;
    let is_even = stamp.modified.0 % 2 == 0 && stamp.changed.0 % 2 == 0;
    match system {
        // Their times are those of the first access and do not depend on the content.
        System::MadeUp => Duration::ZERO,
        System::Fat => 2 * SECOND,
        // exFAT stores times in hundredths of a second.
        System::ExFat => TICK,
        _ if has_fraction => TICK,
        // The server may store the file on FAT.
        System::Elsewhere if is_even => 2 * SECOND,
        System::Local | System::Elsewhere => SECOND,
    }
}

/// How long from now another change might leave the same stamp; `None` if it would change the stamp
/// already now.
///
/// A stamp more than a tick ahead of `now` comes from another clock: a server's, or this one before
/// it was set back. Waiting for it is useless.
fn left(now: Time, stamp: &Stamp, granularity: Duration) -> Option<Duration> {
    let of = |time: Time| {
        let age = nanoseconds(now) - nanoseconds(time);
        let left = u64::try_from(granularity.as_nanos().cast_signed() - age).ok().filter(|&left| left > 0)?;
        (age >= -TICK.as_nanos().cast_signed()).then_some(Duration::from_nanos(left))
    };
    of(stamp.modified).max(of(stamp.changed))
}

fn nanoseconds((seconds, nanoseconds): Time) -> i128 {
    i128::from(seconds) * i128::from(1_000_000_000) + i128::from(nanoseconds)
}

/// The clock that stamps files.
pub(super) trait Clock {
    fn now(&self) -> Time;
    fn sleep(&self, duration: Duration);
}

pub(super) struct SystemClock;

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Time {
        use rustix::time::{ClockId, clock_gettime};

        let now = clock_gettime(ClockId::RealtimeCoarse);
        (now.tv_sec, now.tv_nsec.cast_unsigned())
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Time {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        (now.as_secs().cast_signed(), now.subsec_nanos().into())
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// The deferred files of a task.
#[derive(Default)]
pub(super) struct PutOff {
    items: Vec<usize>,
    /// When all of them may be read, nanoseconds since 1970.
    until: Option<i128>,
}

impl PutOff {
    /// Defers the file if it changed just now; returns whether it did.
    pub(super) fn takes(&mut self, item: usize, Opened { system, before, .. }: &Opened, clock: &dyn Clock) -> bool {
        let now = clock.now();
        let Some(left) = left(now, before, granularity(*system, before)) else { return false };
        self.items.push(item);
        self.until = self.until.max(Some(nanoseconds(now) + left.as_nanos().cast_signed()));
        true
    }

    /// Waits until all deferred files may be read, and returns them in order. A file that was
    /// written again meanwhile causes no further wait: it may be written all the time.
    pub(super) fn wait(self, clock: &dyn Clock, cancelled: &dyn Fn() -> bool) -> Vec<usize> {
        let mut waited = Duration::ZERO;
        while let Some(left) = self.until.and_then(|until| u64::try_from(until - nanoseconds(clock.now())).ok())
            && left > 0
            && waited < WAIT_MAX
            && !cancelled()
        {
            let slice = Duration::from_nanos(left).min(SLICE);
            clock.sleep(slice);
            waited += slice;
        }
        self.items
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn stamp(modified: Time, changed: Time) -> Stamp {
        Stamp { len: 0, modified, changed }
    }

    #[test]
    fn granularity_follows_from_the_file_system_and_the_stamps() {
        let of = |system, modified, changed| granularity(system, &stamp(modified, changed)).as_millis();
        for system in [System::Local, System::Elsewhere] {
            assert_eq!(of(system, (7, 1), (7, 1)), 10);
            // One time was set to a whole second; the other has a fraction.
            assert_eq!(of(system, (7, 0), (9, 5)), 10);
            assert_eq!(of(system, (7, 0), (8, 0)), 1_000);
        }
        assert_eq!(of(System::Local, (8, 0), (8, 0)), 1_000);
        assert_eq!(of(System::Elsewhere, (8, 0), (8, 0)), 2_000);
        // Older kernels report a finer time than FAT stores.
        assert_eq!([of(System::Fat, (8, 0), (8, 0)), of(System::Fat, (8, 0), (9, 730_000_000))], [2_000; 2]);
        assert_eq!([of(System::ExFat, (8, 0), (8, 0)), of(System::ExFat, (8, 0), (9, 730_000_000))], [10; 2]);
        assert_eq!(of(System::MadeUp, (8, 0), (8, 0)), 0);
    }

    #[test]
    fn what_is_left_is_told_by_the_younger_of_both_stamps() {
        let now = (100, 500_000_000);
        let of = |modified, changed| left(now, &stamp(modified, changed), TICK).map(|left| left.as_nanos());
        let before = |nanoseconds: u64| (100, 500_000_000 - nanoseconds);
        assert_eq!(of(before(10_000_000), before(10_000_000)), None);
        assert_eq!(of(before(9_999_999), before(10_000_000)), Some(1));
        // Metadata may change after the content, and a modification time can be set.
        assert_eq!(of((3, 0), before(4_000_000)), Some(6_000_000));
        assert_eq!(of(before(4_000_000), (0, 0)), Some(6_000_000));
        assert_eq!(of(now, before(7)), Some(10_000_000));
        assert_eq!(left(now, &stamp((100, 0), (100, 0)), SECOND), Some(Duration::from_millis(500)));
        assert_eq!(left((101, 0), &stamp((100, 0), (100, 0)), SECOND), None);
        assert_eq!(left(now, &stamp(now, now), Duration::ZERO), None);
    }

    #[test]
    fn what_lies_ahead_is_waited_for_only_if_a_tick_explains_it() {
        let now = (100, 500_000_000);
        let of = |modified, changed| left(now, &stamp(modified, changed), TICK).map(|left| left.as_millis());
        assert_eq!(of((0, 0), (100, 504_000_000)), Some(14));
        assert_eq!(of((0, 0), (100, 510_000_001)), None);
        for ahead in [101, 200, i64::MAX] {
            assert_eq!(of((ahead, 999_999_999), (ahead, 0)), None);
            assert_eq!(of((ahead, 0), now), Some(10), "the other stamp counts");
        }
        assert_eq!(of((i64::MIN, 0), (i64::MIN, 0)), None);
    }

    /// A file on FAT, stamped with this second.
    fn on_fat(second: i64) -> Opened {
        let file = tempfile::tempfile().expect("a file");
        Opened { file, system: System::Fat, before: stamp((second, 0), (second, 0)) }
    }

    /// A clock that moves only by the time slept.
    struct Stopped(Cell<Duration>);

    impl Clock for Stopped {
        fn now(&self) -> Time {
            (self.0.get().as_secs().cast_signed(), self.0.get().subsec_nanos().into())
        }

        fn sleep(&self, duration: Duration) {
            self.0.set(self.0.get() + duration);
        }
    }

    #[test]
    fn there_is_one_wait_for_the_youngest_and_none_if_that_has_passed() {
        let clock = Stopped(Cell::new(101 * SECOND));
        let put_off = || {
            let mut put_off = PutOff::default();
            let found = [98, 100, 101, 99, 200].map(on_fat);
            let taken: Vec<_> = (0..).zip(&found).map(|(at, opened)| put_off.takes(at, opened, &clock)).collect();
            assert_eq!(taken, [false, true, true, false, false]);
            put_off
        };
        let (passed, to_come) = (put_off(), put_off());
        assert_eq!(to_come.wait(&clock, &|| false), [1, 2]);
        assert_eq!(clock.0.get(), 103 * SECOND);
        assert_eq!(passed.wait(&clock, &|| false), [1, 2]);
        assert_eq!(PutOff::default().wait(&clock, &|| false), [0; 0]);
        assert_eq!(clock.0.get(), 103 * SECOND);
    }

    #[test]
    fn a_wait_ends_when_the_task_is_cancelled_or_the_clock_goes_back() {
        let clock = Stopped(Cell::new(100 * SECOND));
        let put_off = || {
            let mut put_off = PutOff::default();
            assert!(put_off.takes(0, &on_fat(100), &clock));
            put_off
        };
        let cancelled = || clock.0.get() >= 100 * SECOND + 3 * SLICE;
        put_off().wait(&clock, &cancelled);
        assert_eq!(clock.0.get(), 100 * SECOND + 3 * SLICE);
        let before = put_off();
        clock.0.set(Duration::ZERO);
        before.wait(&clock, &|| false);
        assert_eq!(clock.0.get(), WAIT_MAX);
    }
}
