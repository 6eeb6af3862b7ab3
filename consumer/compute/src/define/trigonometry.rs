//! Sine, cosine and tangent.

use super::Algebra;
use super::polynomial::{INVERSE_FACTORIALS, polynomial, two_sum};

/// pi / 2 in parts: the product of each of the first three with a count of quarter turns is exact.
const PARTS_F32: [f64; 4] =
    [1.570_312_5, 0.000_483_751_296_997_070_3, 7.549_533_620_476_723e-08, 2.563_344_151_594_519e-12];
const PARTS_F64: [f64; 4] =
    [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_711_166_5e-21, 8.478_427_660_348_229e-32];

/// Up to this size the reduction is exact enough: 2^13 or 2^20 quarter turns.
pub(crate) const fn limit<A: Algebra>() -> f64 {
    if A::FRACTION == 23 { 12_867.0 } else { 1_647_099.0 }
}

/// x as quarter turns, and a rest from -pi / 4 to pi / 4 as a sum of two.
#[inline(always)]
fn reduce<A: Algebra>(a: A, x: A::Value) -> (A::Bits, A::Value, A::Value) {
    let parts = if A::FRACTION == 23 { PARTS_F32 } else { PARTS_F64 };
    let (turns, n) = a.round(a.mul(x, a.number(std::f64::consts::FRAC_2_PI)));
    let minus = |part: f64| a.neg(a.mul(turns, a.number(part)));
    let (high, low) = two_sum(a, a.add(x, minus(parts[0])), minus(parts[1]));
    let (high, rest) = two_sum(a, high, minus(parts[2]));
    let low = a.add(low, a.add(rest, minus(parts[3])));
    let (high, low) = two_sum(a, high, low);
    (n, high, low)
}

/// The coefficients of x^n, x^(n + 2), ... in the series of the sine or the cosine, but for their sign,
/// which the argument -x^2 brings.
const fn every_other<const N: usize>(first: usize) -> [f64; N] {
    let mut terms = [0.0; N];
    let mut n = 0;
    while n < N {
        terms[n] = INVERSE_FACTORIALS[first + 2 * n];
        n += 1;
    }
    terms
}

const SINE: [f64; 8] = every_other(3);
const COSINE: [f64; 8] = every_other(4);

#[inline(always)]
fn terms<A: Algebra>(all: &[f64; 8]) -> &[f64] {
    if A::FRACTION == 23 { &all[..4] } else { all }
}

/// r - r^3 / 3! + r^5 / 5! - ...
#[inline(always)]
fn sine<A: Algebra>(a: A, r: A::Value, low: A::Value) -> A::Value {
    let z = a.neg(a.mul(r, r));
    let series = polynomial(a, z, terms::<A>(&SINE));
    a.add(r, a.add(low, a.mul(a.mul(r, z), series)))
}

/// 1 - r^2 / 2 + r^4 / 4! - ..., with what the first difference loses.
#[inline(always)]
fn cosine<A: Algebra>(a: A, r: A::Value, low: A::Value) -> A::Value {
    let square = a.mul(r, r);
    let half = a.mul(square, a.number(0.5));
    let first = a.sub(a.number(1.0), half);
    let lost = a.sub(a.sub(a.number(1.0), first), half);
    let series = polynomial(a, a.neg(square), terms::<A>(&COSINE));
    let rest = a.sub(a.mul(a.mul(square, square), series), a.mul(r, low));
    a.add(first, a.add(lost, rest))
}

/// Whether a count of quarter turns is odd, and whether it is 2 or 3 but for whole turns.
#[inline(always)]
fn quarter<A: Algebra>(a: A, n: A::Bits) -> (A::Truth, A::Truth) {
    let bit = |by| a.equal_bits(a.and_bits(n, a.integer(by)), a.integer(by));
    (bit(1), bit(2))
}

#[inline(always)]
fn edges<A: Algebra>(a: A, x: A::Value, result: A::Value) -> A::Value {
    let is_infinite = a.equal(a.abs(x), a.number(f64::INFINITY));
    let result = a.select(is_infinite, a.number(f64::NAN), result);
    a.select(a.is_nan(x), x, result)
}

/// A reduced angle.
type Reduced<A> = (<A as Algebra>::Bits, <A as Algebra>::Value, <A as Algebra>::Value);

/// The function of angles of a size up to [`limit`], which becomes vector code, and of larger ones.
macro_rules! both {
    ($($far:ident, $near:ident, $of:ident;)*) => {$(
        #[inline(always)]
        pub fn $near<A: Algebra>(a: A, x: A::Value) -> A::Value {
            $of(a, x, reduce(a, x))
        }

        pub fn $far<A: Algebra>(a: A, x: A::Value) -> A::Value {
            $of(a, x, a.reduce_far(x))
        }
    )*};
}
both! {
    sin_far, sin, sin_of;
    cos_far, cos, cos_of;
    tan_far, tan, tan_of;
}

#[inline(always)]
fn sin_of<A: Algebra>(a: A, x: A::Value, (n, r, low): Reduced<A>) -> A::Value {
    let (is_odd, is_back) = quarter(a, n);
    let value = a.select(is_odd, cosine(a, r, low), sine(a, r, low));
    let value = a.select(is_back, a.neg(value), value);
    // -0 stays -0.
    edges(a, x, a.select(a.equal(x, a.number(0.0)), x, value))
}

#[inline(always)]
fn cos_of<A: Algebra>(a: A, x: A::Value, (n, r, low): Reduced<A>) -> A::Value {
    let (is_odd, is_back) = quarter(a, a.add_bits(n, a.integer(1)));
    let value = a.select(is_odd, cosine(a, r, low), sine(a, r, low));
    edges(a, x, a.select(is_back, a.neg(value), value))
}

#[inline(always)]
fn tan_of<A: Algebra>(a: A, x: A::Value, (n, r, low): Reduced<A>) -> A::Value {
    let (is_odd, _) = quarter(a, n);
    let (sine, cosine) = (sine(a, r, low), cosine(a, r, low));
    let above = a.select(is_odd, a.neg(cosine), sine);
    let below = a.select(is_odd, sine, cosine);
    edges(a, x, a.select(a.equal(x, a.number(0.0)), x, a.div(above, below)))
}
