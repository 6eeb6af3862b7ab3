//! The natural logarithm.

use super::Algebra;
use super::exponential::ln2;
use super::polynomial::polynomial;

/// x = 2^k m for a positive x, with m from sqrt(1/2) to sqrt(2).
#[inline(always)]
pub(super) fn split<A: Algebra>(a: A, x: A::Value) -> (A::Value, A::Value) {
    // A subnormal number is made a normal one first.
    let least = a.power_of_two(a.integer(1 - A::BIAS));
    let is_small = a.less(x, least);
    let up = f64::from(A::FRACTION + 2);
    let scaled = a.mul(x, a.number(2_f64.powi(A::FRACTION as i32 + 2)));
    let normal = a.select(is_small, scaled, x);
    let taken = a.select(is_small, a.number(up), a.number(0.0));
    // Moved so that the exponent changes where the fraction passes sqrt(2).
    let offset = a.sub_bits(a.to_bits(a.number(1.0)), a.to_bits(a.number(std::f64::consts::FRAC_1_SQRT_2)));
    let moved = a.add_bits(a.to_bits(normal), offset);
    let k = a.sub_bits(a.right(moved, A::FRACTION), a.integer(A::BIAS));
    let m = a.with_bits(a.sub_bits(a.to_bits(normal), a.left(k, A::FRACTION)));
    (a.sub(a.to_value(k), taken), m)
}

/// 2 / (2 n + 1)
pub(super) const TERMS: [f64; 16] = {
    let mut terms = [0.0; 16];
    let mut n = 0;
    while n < terms.len() {
        terms[n] = 2.0 / (2 * n + 1) as f64;
        n += 1;
    }
    terms
};

/// log(1 + f) - f + f^2 / 2 and f^2 / 2, for 1 + f from sqrt(1/2) to sqrt(2): with s = f / (2 + f) the
/// logarithm is 2 s + s (2/3 s^2 + 2/5 s^4 + ...).
#[inline(always)]
fn series<A: Algebra>(a: A, f: A::Value) -> (A::Value, A::Value) {
    let s = a.div(f, a.add(a.number(2.0), f));
    let z = a.mul(s, s);
    let sum = a.mul(z, polynomial(a, z, &TERMS[1..=A::LOG_TERMS]));
    let half = a.mul(a.number(0.5), a.mul(f, f));
    (a.mul(s, a.add(half, sum)), half)
}

/// k ln 2 + log(1 + f), and `correction` more.
#[inline(always)]
fn combine<A: Algebra>(a: A, k: A::Value, f: A::Value, correction: A::Value) -> A::Value {
    let (high, low) = ln2(a);
    let (rest, half) = series(a, f);
    let small = a.add(rest, a.add(a.mul(k, low), correction));
    a.sub(a.mul(k, high), a.sub(a.sub(half, small), f))
}

#[inline(always)]
pub fn log<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let (k, m) = split(a, x);
    let result = combine(a, k, a.sub(m, a.number(1.0)), a.number(0.0));
    edges(a, x, result)
}

/// The results of 0, of negative numbers, of infinity and of NaN.
#[inline(always)]
fn edges<A: Algebra>(a: A, x: A::Value, result: A::Value) -> A::Value {
    let zero = a.number(0.0);
    let result = a.select(a.equal(x, zero), a.number(f64::NEG_INFINITY), result);
    let result = a.select(a.less(x, zero), a.number(f64::NAN), result);
    let keeps = a.or(a.is_nan(x), a.equal(x, a.number(f64::INFINITY)));
    a.select(keeps, x, result)
}

#[inline(always)]
pub fn log1p<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let one = a.number(1.0);
    let u = a.add(one, x);
    let (k, m) = split(a, u);
    // What the sum has lost, relative to the sum.
    let lost = a.select(a.less(one, a.abs(x)), a.sub(one, a.sub(u, x)), a.sub(x, a.sub(u, one)));
    let correction = a.div(lost, u);
    // Without an exponent nothing is lost if x itself is taken.
    let is_near = a.equal(k, a.number(0.0));
    let f = a.select(is_near, x, a.sub(m, one));
    let correction = a.select(is_near, a.number(0.0), correction);
    let result = edges(a, u, combine(a, k, f, correction));
    a.select(a.less(a.abs(x), a.number(1e-30)), x, result)
}
