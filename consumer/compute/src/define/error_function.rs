//! What is made of the normal distribution.

use super::Algebra;
use super::exponential::exp_of_sum;
use super::polynomial::{polynomial, two_product};

/// With u = (x - 4) / (x + 4), the coefficients of 1, u, u^2, ... in the Chebyshev approximation of
/// (x + 4) exp(x^2 / 2) erfc(x / sqrt 2) / 2 for x from 0 on, computed with 40 digits. Relative errors:
/// 4e-9 and 6e-18.
const TAIL_F32: [f64; 12] = [
    0.755_285_130_5,
    -0.607_896_640_2,
    0.387_137_394_4,
    -0.186_521_984_9,
    0.060_396_644,
    -0.007_538_688_78,
    -0.003_479_943_026,
    0.001_624_247_637,
    0.000_133_640_426_2,
    -0.000_217_771_065_7,
    -1.725_992_292e-06,
    2.197_904_341e-05,
];
const TAIL_F64: [f64; 26] = [
    0.755_285_130_415_751_5,
    -0.607_896_641_971_892_1,
    0.387_137_400_742_214_9,
    -0.186_521_857_959_656_5,
    0.060_396_574_890_918_15,
    -0.007_540_188_966_774_566,
    -0.003_479_692_367_052_881,
    0.001_630_818_458_674_984_7,
    0.000_133_344_309_457_293,
    -0.000_231_094_947_513_424_73,
    -1.908_246_600_924_109e-06,
    3.514_476_659_652_385e-05,
    7.166_596_353_276_388e-07,
    -5.920_495_814_017_61e-06,
    -6.298_387_423_753_455e-07,
    1.022_364_177_383_006_6e-06,
    2.724_660_665_424_115_5e-07,
    -1.562_147_311_912_324e-07,
    -8.686_963_147_679_23e-08,
    1.434_898_423_558_800_2e-08,
    2.142_965_429_604_756_4e-08,
    1.609_606_566_559_703_7e-09,
    -3.731_410_413_853_782e-09,
    -9.187_164_650_138_496e-10,
    3.404_564_017_840_783_7e-10,
    1.277_748_788_283_185_5e-10,
];

/// 1 / sqrt(2 pi)
const INVERSE_ROOT: f64 = 0.398_942_280_401_432_7;

/// (-1)^n / (n! (2 n + 1) 2^n sqrt(2 pi)): the series of the normal distribution function, less 1/2, is
/// x (c[0] + c[1] x^2 + ...).
const SERIES: [f64; 16] = {
    let mut terms = [0.0; 16];
    let (mut factor, mut n) = (INVERSE_ROOT, 0);
    while n < terms.len() {
        terms[n] = factor / (2 * n + 1) as f64;
        factor /= -2.0 * (n + 1) as f64;
        n += 1;
    }
    terms
};

/// The normal distribution function for an x from -1 to 1.
#[inline(always)]
fn near_zero<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let terms = if A::FRACTION == 23 { &SERIES[..8] } else { &SERIES[..] };
    let series = polynomial(a, a.mul(x, x), terms);
    a.add(a.number(0.5), a.mul(x, series))
}

/// x times the normal distribution function of x, which is for a negative x the upper tail of -x, and
/// else 1 less it.
#[inline(always)]
pub fn gelu<A: Algebra>(a: A, x: A::Value) -> A::Value {
    // The tail is 0 from 40 on.
    let size = a.abs(x);
    let size = a.select(a.less(a.number(40.0), size), a.number(40.0), size);
    let sum = a.add(size, a.number(4.0));
    // The sum is rounded, and what it lost is put right below.
    let lost = a.sub(size, a.sub(sum, a.number(4.0)));
    let u = a.div(a.sub(sum, a.number(8.0)), sum);
    let coefficients = if A::FRACTION == 23 { &TAIL_F32[..] } else { &TAIL_F64[..] };
    let factor = a.div(polynomial(a, u, coefficients), sum);
    // The factor is exp(x^2 / 2) times the tail, so its slope is x times the factor, less 1 / sqrt(2 pi).
    let slope = a.sub(a.mul(size, factor), a.number(INVERSE_ROOT));
    let factor = a.add(factor, a.mul(lost, slope));
    let (square, rest) = two_product(a, size, size);
    let power = exp_of_sum(a, a.mul(square, a.number(-0.5)), a.mul(rest, a.number(-0.5)));
    // Multiplied in this order a tail that is subnormal does not lose bits first.
    let below = a.mul(a.mul(x, factor), power);
    let is_low = a.less(x, a.number(0.0));
    // Of the size, which is cut: an infinite x has a finite tail.
    let above = a.sub(x, a.mul(a.mul(size, factor), power));
    let far = a.select(a.or(is_low, a.is_nan(x)), below, above);
    let near = a.mul(x, near_zero(a, x));
    a.select(a.less(size, a.number(1.0)), near, far)
}
