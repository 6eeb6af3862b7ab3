//! The rounds of SHA-1 (FIPS 180-4, section 6.1.2) for sixteen messages, one in each 32-bit lane of
//! the AVX-512 registers.

use super::lanes::{Block, Kernel, State};
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set_epi64, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

const LANES: usize = 16;

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// `None` if the processor lacks an instruction.
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }
}

impl Kernel<LANES> for Avx512 {
    const WORTHWHILE: usize = 6;

    fn compress(self, states: &mut [State; LANES], blocks: [&[Block]; LANES]) {
        // SAFETY: this value is made only where the processor has what `compress` enables.
        unsafe { compress(states, blocks) }
    }
}

/// Truth tables for the ternary logic instruction: the result for each of the eight inputs (b, c,
/// d).
const CHOOSE: i32 = 0xca;
const PARITY: i32 = 0x96;
const MAJORITY: i32 = 0xe8;

#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut [State; LANES], blocks: [&[Block]; LANES]) {
    let mut words: [__m512i; 5] = std::array::from_fn(|word| load(&states.each_ref().map(|state| state[word])));
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    for at in 0..count {
        words = block(words, blocks.map(|blocks| &blocks[at]));
    }
    for (word, vector) in words.into_iter().enumerate() {
        for (state, value) in states.iter_mut().zip(store(vector)) {
            state[word] = value;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn block(before: [__m512i; 5], blocks: [&Block; LANES]) -> [__m512i; 5] {
    let mut w = transposed(blocks);
    let [mut a, mut b, mut c, mut d, mut e] = before;
    macro_rules! rounds {
        ($function:ident, $constant:literal: $($t:literal)*) => { $(
            // The message schedule; only its last sixteen words are kept.
            if $t >= 16 {
                let three = _mm512_ternarylogic_epi32::<PARITY>(w[($t + 13) % 16], w[($t + 8) % 16], w[($t + 2) % 16]);
                w[$t % 16] = _mm512_rol_epi32::<1>(_mm512_xor_si512(three, w[$t % 16]));
            }
            let function = _mm512_ternarylogic_epi32::<$function>(b, c, d);
            let constant = _mm512_set1_epi32(u32::cast_signed($constant));
            let sum = _mm512_add_epi32(_mm512_add_epi32(e, constant), _mm512_add_epi32(function, w[$t % 16]));
            e = d;
            d = c;
            c = _mm512_rol_epi32::<30>(b);
            b = a;
            a = _mm512_add_epi32(_mm512_rol_epi32::<5>(a), sum);
        )* };
    }
    rounds!(CHOOSE, 0x5a82_7999: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    rounds!(PARITY, 0x6ed9_eba1: 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
    rounds!(MAJORITY, 0x8f1b_bcdc: 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
    rounds!(PARITY, 0xca62_c1d6: 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
    let after = [a, b, c, d, e];
    std::array::from_fn(|word| _mm512_add_epi32(before[word], after[word]))
}

/// Transposes the blocks: vector i holds word i of every lane, in this processor's byte order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(blocks: [&Block; LANES]) -> [__m512i; LANES] {
    // Reverses the four bytes of each word.
    let [low, high] = [0x0405_0607_0001_0203, 0x0c0d_0e0f_0809_0a0b];
    let swap = _mm512_set_epi64(high, low, high, low, high, low, high, low);
    let rows = blocks.map(|block| {
        // SAFETY: a block is 64 bytes, and this load asks for no alignment.
        let row = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        _mm512_shuffle_epi8(row, swap)
    });
    let zero = _mm512_setzero_si512();
    // Sixteen by sixteen words are transposed in four steps. Each step gathers words of twice as
    // many lanes as the step before.
    let mut pairs = [zero; LANES];
    for at in 0..LANES / 2 {
        let (low, high) = (rows[2 * at], rows[2 * at + 1]);
        pairs[2 * at] = _mm512_unpacklo_epi32(low, high);
        pairs[2 * at + 1] = _mm512_unpackhi_epi32(low, high);
    }
    let mut quads = [zero; LANES];
    for at in 0..LANES / 4 {
        for side in 0..2 {
            let (low, high) = (pairs[4 * at + side], pairs[4 * at + 2 + side]);
            quads[4 * at + 2 * side] = _mm512_unpacklo_epi64(low, high);
            quads[4 * at + 2 * side + 1] = _mm512_unpackhi_epi64(low, high);
        }
    }
    // quads[4 i + j] holds words j, 4 + j, 8 + j and 12 + j of lanes 4 i to 4 i + 3.
    let mut w = [zero; LANES];
    for j in 0..4 {
        let even_low = _mm512_shuffle_i32x4::<0x88>(quads[j], quads[4 + j]);
        let odd_low = _mm512_shuffle_i32x4::<0xdd>(quads[j], quads[4 + j]);
        let even_high = _mm512_shuffle_i32x4::<0x88>(quads[8 + j], quads[12 + j]);
        let odd_high = _mm512_shuffle_i32x4::<0xdd>(quads[8 + j], quads[12 + j]);
        w[j] = _mm512_shuffle_i32x4::<0x88>(even_low, even_high);
        w[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even_low, even_high);
        w[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high);
        w[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high);
    }
    w
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[u32; LANES]) -> __m512i {
    // SAFETY: sixteen words are 64 bytes, and this load asks for no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(vector: __m512i) -> [u32; LANES] {
    let mut values = [0; LANES];
    // SAFETY: as for `load`.
    unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), vector) };
    values
}
