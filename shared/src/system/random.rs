//! Randomness: unique ids, secrets, and jitter that a seed reproduces.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A random token of 80 bits as 16 characters of `[0-9a-v]`: practically unique without
/// coordination.
pub fn token() -> String {
    let mut bits: u128 = rand::random();
    let digit = |_| {
        let digit = char::from_digit((bits & 31) as u32, 32).expect("31 is a digit of base 32");
        bits >>= 5;
        digit
    };
    (0..16).map(digit).collect()
}

/// Secret random bytes from a cryptographic generator.
pub fn secret<const N: usize>() -> [u8; N] {
    rand::random()
}

pub fn seed() -> u64 {
    rand::random()
}

/// Spreads waits, so that clients that failed at the same time do not retry at the same time.
#[derive(Debug)]
pub struct Jitter(SmallRng);

impl Jitter {
    /// The same seed gives the same waits.
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// The wait before try `failures` + 1: `first`, doubled for each failure, at most `longest`,
    /// then between half and all of it.
    pub fn back_off(&mut self, first: Duration, longest: Duration, failures: u32) -> Duration {
        let full = first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(longest);
        full.mul_f64(self.0.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_ids() {
        let tokens: std::collections::BTreeSet<_> = (0..1_000).map(|_| token()).collect();
        assert_eq!(tokens.len(), 1_000);
        assert!(tokens.iter().all(|token| token.parse::<crate::protocol::id::JobId>().is_ok()));
    }

    #[test]
    fn back_off_doubles_up_to_its_limit() {
        let mut jitter = Jitter::new(1);
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        for (failures, full) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (40, 1000)] {
            let wait = jitter.back_off(first, longest, failures).as_millis();
            assert!((full / 2..=full).contains(&wait), "{failures}: {wait}");
        }
    }
}
