//! The rounds of SHA-1 with the SHA extensions of x86-64, for several messages side by side.
//!
//! The instructions are those of Intel's Software Developer's Manual, volume 2 (SHA1RNDS4,
//! SHA1NEXTE, SHA1MSG1, SHA1MSG2): each does four rounds, or four words of the message schedule,
//! of FIPS 180-4, section 6.1.2.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32,
    _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32, _mm_shuffle_epi8, _mm_xor_si128,
};

use super::lanes::{Block, Kernel, State};

/// The fastest number on the processors measured: with more lanes, states and schedules no longer
/// fit into the registers.
const LANES: usize = 4;

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShaNi(());

impl ShaNi {
    /// `None` if the processor lacks an instruction.
    pub(super) fn detect() -> Option<Self> {
        let has_all =
            is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1");
        has_all.then_some(Self(()))
    }
}

impl Kernel<LANES> for ShaNi {
    const WORTHWHILE: usize = 2;

    fn compress(self, states: &mut [State; LANES], blocks: [&[Block]; LANES]) {
        // SAFETY: this value is made only where the processor has what `compress` enables.
        unsafe { compress(states, blocks) }
    }
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress(states: &mut [State; LANES], blocks: [&[Block]; LANES]) {
    let mut abcd = states.each_ref().map(|&[a, b, c, d, _]| words(a, b, c, d));
    let mut e = states.each_ref().map(|&[.., e]| words(e, 0, 0, 0));
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    for at in 0..count {
        (abcd, e) = block(abcd, e, blocks.map(|blocks| &blocks[at]));
    }
    for ((state, abcd), e) in states.iter_mut().zip(abcd).zip(e) {
        let word = [
            _mm_extract_epi32::<3>(abcd),
            _mm_extract_epi32::<2>(abcd),
            _mm_extract_epi32::<1>(abcd),
            _mm_extract_epi32::<0>(abcd),
            _mm_extract_epi32::<3>(e),
        ];
        *state = word.map(i32::cast_unsigned);
    }
}

/// One block of each lane: states before it to states after it.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn block(
    abcd_before: [__m128i; LANES],
    e_before: [__m128i; LANES],
    blocks: [&Block; LANES],
) -> ([__m128i; LANES], [__m128i; LANES]) {
    let zero = words(0, 0, 0, 0);
    let mut abcd = abcd_before;
    // The A of four rounds before, from which the next E is computed.
    let mut previous = e_before;
    // The last sixteen words of the message schedule.
    let mut w = [[zero; 4]; LANES];
    // Each of the twenty groups is four rounds of every lane. The lanes alternate, so that none
    // waits for its own results.
    macro_rules! rounds {
        ($($group:literal)*) => { $(
            for lane in 0..LANES {
                let w = &mut w[lane];
                w[$group % 4] = if $group < 4 {
                    load(blocks[lane], $group)
                } else {
                    let sum = _mm_xor_si128(
                        _mm_sha1msg1_epu32(w[$group % 4], w[($group + 1) % 4]),
                        w[($group + 2) % 4],
                    );
                    _mm_sha1msg2_epu32(sum, w[($group + 3) % 4])
                };
                let e = if $group == 0 {
                    _mm_add_epi32(previous[lane], w[0])
                } else {
                    _mm_sha1nexte_epu32(previous[lane], w[$group % 4])
                };
                previous[lane] = abcd[lane];
                abcd[lane] = _mm_sha1rnds4_epu32::<{ $group / 5 }>(abcd[lane], e);
            }
        )* };
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    for lane in 0..LANES {
        previous[lane] = _mm_sha1nexte_epu32(previous[lane], e_before[lane]);
        abcd[lane] = _mm_add_epi32(abcd[lane], abcd_before[lane]);
    }
    (abcd, previous)
}

/// Four words in the order that the instructions want, the first in the highest place.
#[inline]
#[target_feature(enable = "sse2")]
fn words(first: u32, second: u32, third: u32, fourth: u32) -> __m128i {
    let [first, second, third, fourth] = [first, second, third, fourth].map(u32::cast_signed);
    _mm_set_epi32(first, second, third, fourth)
}

/// Loads the four words of one quarter (0 to 3) of a block.
#[inline]
#[target_feature(enable = "ssse3")]
fn load(block: &Block, quarter: usize) -> __m128i {
    let (halves, _) = block[16 * quarter..].as_chunks();
    let [low, high] = [halves[0], halves[1]].map(i64::from_le_bytes);
    // Big-endian words, the first in the highest place: reverses all sixteen bytes.
    let reversed = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    _mm_shuffle_epi8(_mm_set_epi64x(high, low), reversed)
}
