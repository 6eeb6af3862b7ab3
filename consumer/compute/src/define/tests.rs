//! Definitions against libm's float64 functions, in units of the last place.

use super::*;

/// Floats of all exponents, and more of those near 1, from a fixed sequence.
fn samples(count: u64) -> impl Iterator<Item = f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    (0..count).map(move |n| {
        let fraction = 1.0 + (next() >> 12) as f64 / (1_u64 << 52) as f64;
        let range = if n % 3 == 0 { 140 } else { 7 };
        let exponent = (next() % (2 * range + 1)) as i32 - range as i32;
        fraction * 2_f64.powi(exponent) * if next() % 2 == 0 { 1.0 } else { -1.0 }
    })
}

/// Units in the last place of f32 between a result and the right one.
fn off_single(is: f32, right: f64) -> f64 {
    let wanted = right as f32;
    if is == wanted || (is.is_nan() && wanted.is_nan()) {
        return 0.0;
    }
    let unit = (f64::from(wanted.abs().max(f32::MIN_POSITIVE)).log2().floor() - 23.0).exp2();
    if wanted.is_infinite() || is.is_infinite() { f64::INFINITY } else { ((f64::from(is) - right) / unit).abs() }
}

fn off_double(is: f64, right: f64) -> f64 {
    if is == right || (is.is_nan() && right.is_nan()) {
        return 0.0;
    }
    let unit = (right.abs().max(f64::MIN_POSITIVE).log2().floor() - 52.0).exp2();
    if right.is_infinite() || is.is_infinite() { f64::INFINITY } else { ((is - right) / unit).abs() }
}

/// NaN is worse than all.
fn is_worse(off: f64, worst: f64) -> bool {
    off > worst || off.is_nan()
}

macro_rules! judge {
    ($name:ident, $right:expr, $most:expr, $range:expr) => {
        #[test]
        fn $name() {
            let (mut worst, mut worst_double) = ((0.0, 0.0), (0.0, 0.0));
            let range: std::ops::Range<f64> = $range;
            let edges = [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-45, 1e-310, 3e38];
            for x in edges.into_iter().chain(samples(300_000)).filter(|x| x.is_nan() || range.contains(&x.abs())) {
                let single = x as f32;
                let off = off_single(super::$name(Single, single), $right(f64::from(single)));
                if is_worse(off, worst.0) {
                    worst = (off, f64::from(single));
                }
                let off = off_double(super::$name(Double, x), $right(x));
                if is_worse(off, worst_double.0) {
                    worst_double = (off, x);
                }
            }
            println!("{}: {:?} {:?}", stringify!($name), worst, worst_double);
            assert!(worst.0 <= $most && worst_double.0 <= $most, "f32 {worst:?}, f64 {worst_double:?}");
        }
    };
}

/// x erfc(-x / sqrt 2) / 2, with what the quotient loses by rounding.
fn right_gelu(x: f64) -> f64 {
    let (high, low) = (std::f64::consts::FRAC_1_SQRT_2, -4.833_646_656_726_457e-17);
    let t = -x * high;
    let lost = libm::fma(-x, high, -t) - x * low;
    let slope = -std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-t * t);
    0.5 * x * (libm::erfc(t) + slope * lost)
}

const ALL: std::ops::Range<f64> = 0.0..f64::INFINITY;

judge!(exp, libm::exp, 2.0, ALL);
judge!(expm1, libm::expm1, 3.0, ALL);
judge!(log, libm::log, 2.0, ALL);
judge!(log1p, libm::log1p, 3.0, ALL);
judge!(tanh, libm::tanh, 4.0, ALL);
judge!(
    sigmoid,
    |x: f64| if x < 0.0 { libm::exp(x) / (1.0 + libm::exp(x)) } else { 1.0 / (1.0 + libm::exp(-x)) },
    4.0,
    ALL
);
// The float64 of it is within 3.5 of what 40 digits give; the rest is that of the float64 to judge by.
judge!(gelu, right_gelu, 5.0, 0.0..26.0);
judge!(cbrt, libm::cbrt, 1.5, ALL);
judge!(sin, libm::sin, 2.0, 0.0..12_867.0);
judge!(cos, libm::cos, 2.0, 0.0..12_867.0);
judge!(tan, libm::tan, 4.0, 0.0..12_867.0);

#[test]
fn large_angles() {
    for x in samples(200_000).filter(|x| x.abs() > 13_000.0) {
        let single = x as f32;
        for (name, off) in [
            ("sin", off_single(sin_far(Single, single), libm::sin(single.into()))),
            ("cos", off_single(cos_far(Single, single), libm::cos(single.into()))),
            ("sin, f64", off_double(sin_far(Double, x), libm::sin(x))),
            ("cos, f64", off_double(cos_far(Double, x), libm::cos(x))),
            ("tan, f64", off_double(tan_far(Double, x), libm::tan(x))),
        ] {
            assert!(off <= 3.0, "{name} of {x:?} is off by {off}");
        }
    }
}

#[test]
fn powers() {
    let (mut worst, mut worst_double) = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0));
    let edges = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, -3.0, 2.5, 1e20, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let pairs = edges.into_iter().flat_map(|x| edges.into_iter().map(move |y| (x, y)));
    let random = samples(400_000).zip(samples(400_001).skip(1)).map(|(x, y)| (x.abs(), y));
    for (x, y) in pairs.chain(random) {
        let (single_x, single_y) = (x as f32, y as f32);
        let off = off_single(pow(Single, single_x, single_y), libm::pow(single_x.into(), single_y.into()));
        if is_worse(off, worst.0) {
            worst = (off, single_x.into(), single_y.into());
        }
        let off = off_double(pow(Double, x, y), libm::pow(x, y));
        if is_worse(off, worst_double.0) {
            worst_double = (off, x, y);
        }
    }
    println!("pow: {worst:?} {worst_double:?}");
    assert!(worst.0 <= 2.0 && worst_double.0 <= 3.0, "f32 {worst:?}, f64 {worst_double:?}");
}
