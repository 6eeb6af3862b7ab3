//! How many calls travel in one pack. Pure: no clock, no I/O.
//!
//! A pack is to take [`Sizes::target`]: long enough that its round trip costs little, and short
//! enough that no slot waits long for the last one. How long a call takes is known from packs
//! before, for each size of its argument. Until then packs have one call. A surprise is cut by the
//! slot, which answers early and leaves the other calls.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use shared::protocol::limits::{PACK_BYTES, PACK_CALLS_MAX};

/// The shortest and the longest target. Below 2 ms the round trip in one process costs more than a
/// hundredth; above 20 ms nothing is gained over a broker either, and slots wait at the end.
const TARGET: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(20));

/// A target is so many times the round trip of a pack.
const ROUND_TRIPS: u32 = 20;

/// So many short packs take no longer than one of the usual duration.
const SHORT: u32 = 64;

/// The usual duration of calls whose argument has a size of so many bits.
#[derive(Debug, Default)]
struct Known {
    /// Nanoseconds; meaningful if `calls` is not 0.
    nanos: AtomicU64,
    /// Calls of the latest pack; 0 if there was none.
    calls: AtomicU32,
}

/// What is known of a pool's calls. Threads that make packs and the one that hears of their results
/// share it.
#[derive(Debug)]
pub(super) struct Sizes {
    /// A fixed number of calls instead; 0: none.
    fixed: u32,
    /// For each number of bits of an argument's size.
    known: [Known; 33],
    /// The shortest round trip without the work, nanoseconds.
    trip: AtomicU64,
}

fn bits(bytes: usize) -> usize {
    (usize::BITS - bytes.leading_zeros()).min(32) as usize
}

impl Sizes {
    /// `fixed` calls in each pack, or as many as seems best.
    pub fn new(fixed: Option<u32>) -> Self {
        let fixed = fixed.map_or(0, |calls| calls.clamp(1, PACK_CALLS_MAX as u32));
        Self { fixed, known: std::array::from_fn(|_| Known::default()), trip: AtomicU64::new(0) }
    }

    /// How long a pack is to take.
    pub fn target(&self) -> Duration {
        (Duration::from_nanos(self.trip.load(Ordering::Relaxed)) * ROUND_TRIPS).clamp(TARGET.0, TARGET.1)
    }

    /// Whether a pack of `calls` calls, with `bytes` bytes, is large enough.
    pub fn is_enough(&self, calls: usize, bytes: usize) -> bool {
        if calls == 0 {
            return false;
        }
        if bytes >= PACK_BYTES || calls >= PACK_CALLS_MAX {
            return true;
        }
        if self.fixed > 0 {
            return calls >= self.fixed as usize;
        }
        let known = &self.known[bits(bytes / calls)];
        let latest = known.calls.load(Ordering::Relaxed) as usize;
        if latest == 0 || calls >= latest * 2 {
            return true;
        }
        // One more would take it over the target.
        let nanos = known.nanos.load(Ordering::Relaxed).saturating_mul(calls as u64 + 1);
        Duration::from_nanos(nanos) > self.target()
    }

    /// Into how many calls each to cut what a slot has left, if it needed so many microseconds for
    /// each call.
    pub fn cut(&self, micros: u64) -> usize {
        let fit = self.target().as_micros() / u128::from(micros.max(1));
        usize::try_from(fit).unwrap_or(PACK_CALLS_MAX).clamp(1, PACK_CALLS_MAX)
    }

    /// Whether a pack is as large as a pack may be.
    pub fn is_largest(&self, calls: usize, bytes: usize) -> bool {
        self.fixed > 0 || calls >= PACK_CALLS_MAX || bytes >= PACK_BYTES
    }

    /// Whether a pack is the largest, and short all the same: many such may be made ahead.
    pub fn is_short(&self, calls: usize, bytes: usize) -> bool {
        self.is_largest(calls, bytes) && self.expected(calls, bytes) <= self.target() / SHORT
    }

    /// How long the slot may work on a pack before it leaves the other calls, microseconds; 0: as
    /// long as it takes.
    pub fn budget(&self, calls: usize) -> u64 {
        let budget = self.target().as_micros() * 2;
        if calls > 1 { u64::try_from(budget).unwrap_or(0) } else { 0 }
    }

    /// How long a pack should take, as far as that is known.
    pub fn expected(&self, calls: usize, bytes: usize) -> Duration {
        let known = &self.known[bits(bytes / calls.max(1))];
        match known.calls.load(Ordering::Relaxed) {
            0 => self.target(),
            _ => Duration::from_nanos(known.nanos.load(Ordering::Relaxed).saturating_mul(calls as u64)),
        }
    }

    /// A slot has done `done` calls of a pack of `calls` in so many microseconds; the pack was under
    /// way for `trip` besides.
    ///
    /// What is taken for the usual duration falls fast and rises slowly: on a busy machine a slot
    /// may have waited for a core. If the slot had to leave calls, the duration is taken as it was.
    pub fn learn(&self, calls: usize, bytes: usize, done: u32, micros: u64, trip: Duration) {
        let known = &self.known[bits(bytes / calls.max(1))];
        let nanos = micros.saturating_mul(1_000) / u64::from(done.max(1));
        let before = known.nanos.load(Ordering::Relaxed);
        let is_first = known.calls.swap(done.max(1), Ordering::Relaxed) == 0;
        let has_left = (done as usize) < calls;
        let after = match nanos {
            _ if is_first || has_left => nanos,
            nanos if nanos < before => before.midpoint(nanos),
            nanos => nanos.min(before + before / 4 + 100),
        };
        known.nanos.store(after, Ordering::Relaxed);
        let trip = u64::try_from(trip.as_nanos()).unwrap_or(u64::MAX).max(1);
        let shortest = self.trip.load(Ordering::Relaxed);
        // It rises slowly, in case the way has become longer.
        let after = if shortest == 0 { trip } else { trip.min(shortest + shortest / 64 + 1) };
        self.trip.store(after, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Duration = Duration::from_micros(50);

    #[test]
    fn packs_grow_to_the_target_and_never_over_it() {
        let sizes = Sizes::new(None);
        // Nothing is known: one call.
        assert!(sizes.is_enough(1, 8));
        // 0.1 ms a call: 20 fill the target of 2 ms.
        for calls in [1, 2, 4, 8, 16, 20] {
            sizes.learn(calls, calls * 8, calls as u32, calls as u64 * 100, TRIP);
            let next = (1..).find(|&next| sizes.is_enough(next, next * 8)).expect("some number is enough");
            assert_eq!(next, (calls * 2).min(20));
        }
        assert_eq!(sizes.target(), TARGET.0);
        // A slot that waited for a core changes little.
        sizes.learn(20, 160, 20, 1_000_000, TRIP);
        assert!(sizes.is_enough(15, 120) && !sizes.is_enough(14, 112));
        // A call that takes longer than the target goes alone.
        sizes.learn(1, 1_000, 1, 5_000_000, TRIP);
        assert!(sizes.is_enough(1, 1_000));
    }

    #[test]
    fn a_long_way_makes_long_packs() {
        let sizes = Sizes::new(None);
        sizes.learn(1, 8, 1, 10, Duration::from_micros(500));
        assert_eq!(sizes.target(), Duration::from_millis(10));
        sizes.learn(1, 8, 1, 10, Duration::from_secs(1));
        assert!(sizes.target() < Duration::from_millis(11));
    }

    #[test]
    fn a_fixed_number_of_calls_is_kept() {
        let sizes = Sizes::new(Some(3));
        assert!(!sizes.is_enough(2, 16) && sizes.is_enough(3, 24));
        assert!(sizes.is_enough(1, PACK_BYTES));
    }
}
