//! SHA-1 of many messages at once (multi-buffer hashing).
//!
//! The rounds of one message depend on each other. Those of different messages do not, so they can
//! be done side by side, each message in its own lane.
//!
//! # Layout
//! - `lanes`: assigns messages to lanes and pads them
//! - `avx512`: the rounds of sixteen messages in vector registers
//! - `sha_ni`: the rounds of four messages with the SHA extensions of x86-64, whose latency is so
//!   long that one message alone waits most of the time
//!
//! A processor with neither digests one message after the other.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use sha1::{Digest as _, Sha1};

type Output = [u8; 20];

/// The SHA-1 of each message, in order.
pub(super) fn sha1_each(messages: &[&[u8]]) -> Vec<Output> {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = avx512::Avx512::detect() {
        return lanes::sha1_each(messages, kernel);
    } else if let Some(kernel) = sha_ni::ShaNi::detect() {
        return lanes::sha1_each(messages, kernel);
    }
    one_by_one(messages)
}

fn one_by_one(messages: &[&[u8]]) -> Vec<Output> {
    messages.iter().map(|message| Sha1::digest(message).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize, salt: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 131 + len * 7 + salt) as u8).collect()
    }

    type Way = fn(&[&[u8]]) -> Vec<Output>;

    /// Every implementation that this processor supports, not only the one that it would choose.
    fn ways() -> Vec<(&'static str, Way)> {
        let mut ways: Vec<(&str, Way)> = vec![("one by one", one_by_one), ("chosen", sha1_each)];
        #[cfg(target_arch = "x86_64")]
        {
            let in_lanes: [(&str, bool, Way); 2] = [
                ("AVX-512", avx512::Avx512::detect().is_some(), |messages| {
                    lanes::sha1_each(messages, avx512::Avx512::detect().expect("just seen"))
                }),
                ("SHA-NI", sha_ni::ShaNi::detect().is_some(), |messages| {
                    lanes::sha1_each(messages, sha_ni::ShaNi::detect().expect("just seen"))
                }),
            ];
            for (name, is_there, way) in in_lanes {
                if is_there {
                    ways.push((name, way));
                } else {
                    eprintln!("this processor has no {name}: not tested");
                }
            }
        }
        ways
    }

    fn check(messages: &[Vec<u8>]) {
        let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let expected = one_by_one(&slices);
        for (name, way) in ways() {
            let lengths = || slices.iter().map(|message| message.len()).collect::<Vec<_>>();
            assert_eq!(way(&slices), expected, "{name}, lengths {:?}", lengths());
        }
    }

    /// Covers every position of the end within a block, and many numbers of lanes in use.
    #[test]
    fn equals_the_package_for_every_length() {
        for len in 0..=200 {
            for count in [0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 33] {
                check(&(0..count).map(|salt| message(len, salt)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn equals_the_package_for_mixed_lengths() {
        let mut seed = 1_u64;
        for _ in 0..200 {
            let mut draw = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) % below
            };
            let count = draw(40) as usize;
            let messages: Vec<_> = (0..count).map(|salt| message(draw(5_000) as usize, salt)).collect();
            check(&messages);
        }
    }
}
