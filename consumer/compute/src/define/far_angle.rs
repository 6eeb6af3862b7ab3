//! Angles so large that pi / 2 must be known to more than a thousand bits (Payne and Hanek, 1983).

/// The bits of 2 / pi after the point, computed with 420 digits.
const TWO_OVER_PI: [u64; 20] = [
    0xA2F9_836E_4E44_1529,
    0xFC27_57D1_F534_DDC0,
    0xDB62_9599_3C43_9041,
    0xFE51_63AB_DEBB_C561,
    0xB724_6E3A_424D_D2E0,
    0x0649_2EEA_09D1_921C,
    0xFE1D_EB1C_B129_A73E,
    0xE882_35F5_2EBB_4484,
    0xE99C_7026_B45F_7E41,
    0x3991_D639_8353_39F4,
    0x9C84_5F8B_BDF9_283B,
    0x1FF8_97FF_DE05_980F,
    0xEF2F_118B_5A0A_6D1F,
    0x6D36_7ECF_27CB_09B7,
    0x4F46_3F66_9E5F_EA2D,
    0x7527_BAC7_EBE5_F17B,
    0x3D07_39F7_8A52_92EA,
    0x6BFB_5FB1_1F8D_5D08,
    0x5603_3046_FC7B_6BAB,
    0xF0CF_BC20_9AF4_361D,
];

/// So many bits of 2 / pi, from a place after the point on (before it they are 0).
fn bits(from: i32, count: u32) -> u128 {
    let mut bits = 0_u128;
    for place in from..from + count as i32 {
        let bit = match usize::try_from(place) {
            Ok(place) => TWO_OVER_PI[place / 64] >> (63 - place % 64) & 1,
            Err(_) => 0,
        };
        bits = bits << 1 | u128::from(bit);
    }
    bits
}

/// A finite x as quarter turns, but for whole turns, and a rest from -pi / 4 to pi / 4 as a sum of two.
pub(super) fn reduce(x: f64) -> (i64, f64, f64) {
    let stored = x.abs().to_bits();
    // |x| = m 2^e
    let (m, e) = ((stored & ((1 << 52) - 1)) | 1 << 52, (stored >> 52) as i32 - 1_075);
    // Bits of 2 / pi whose product with x is a multiple of 4 quarter turns are left out. Of the rest,
    // 2 before and 182 after the point of the product are kept, in two halves of the factor.
    let from = e - 2;
    let (high, low) = (bits(from, 96), bits(from + 96, 88));
    // m has 53 bits: each product fits, and the first one wraps where whole turns are.
    let low = u128::from(m) * (low >> 24);
    let high = (u128::from(m)).wrapping_mul(high) & ((1 << 96) - 1);
    // In units of 2^-94 quarter turns: the low product is 64 bits further down.
    let all = high.wrapping_add(low >> 64) & ((1 << 96) - 1);
    let rest = (low as u64) >> 32;
    let mut turns = (all >> 94) as i64;
    let mut fraction = all & ((1 << 94) - 1);
    let is_negative = fraction >> 93 == 1;
    if is_negative {
        turns += 1;
        fraction = (1 << 94) - fraction;
    }
    // The upper bits as one float, the rest as another.
    let shift = 128 - fraction.leading_zeros().min(127);
    let cut = shift.saturating_sub(53);
    let upper = (fraction >> cut << cut) as f64 * 2_f64.powi(-94);
    let tail = (fraction & ((1_u128 << cut) - 1)) as f64
        + if is_negative { -(rest as f64) } else { rest as f64 } * 2_f64.powi(-32);
    let lower = tail * 2_f64.powi(-94);
    let (half_pi, half_pi_rest) = (std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17);
    let (product, error) = super::polynomial::two_product(super::Double, upper, half_pi);
    let low = error + (upper * half_pi_rest + lower * half_pi);
    let sign = if is_negative == (x < 0.0) { 1.0 } else { -1.0 };
    let turns = if x < 0.0 { -turns } else { turns };
    let (high, low) = super::polynomial::two_sum(super::Double, product, low);
    (turns & 3, sign * high, sign * low)
}
