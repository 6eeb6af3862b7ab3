//! Series.

use super::Algebra;

/// 1 / n!
pub(super) const INVERSE_FACTORIALS: [f64; 20] = {
    let mut inverse = [1.0; 20];
    let (mut factorial, mut n) = (1.0, 1);
    while n < inverse.len() {
        factorial *= n as f64;
        inverse[n] = 1.0 / factorial;
        n += 1;
    }
    inverse
};

/// c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule.
#[inline(always)]
pub(super) fn polynomial<A: Algebra>(a: A, x: A::Value, coefficients: &[f64]) -> A::Value {
    let Some((&last, others)) = coefficients.split_last() else { return a.number(0.0) };
    let mut sum = a.number(last);
    for &coefficient in others.iter().rev() {
        sum = a.add(a.mul(sum, x), a.number(coefficient));
    }
    sum
}

/// The exact product of two values as a sum: the rounded product, and what was cut off (Dekker, 1971).
#[inline(always)]
pub(super) fn two_product<A: Algebra>(a: A, x: A::Value, y: A::Value) -> (A::Value, A::Value) {
    let product = a.mul(x, y);
    let ((high, low), (other_high, other_low)) = (halves(a, x), halves(a, y));
    let error = a.sub(a.mul(high, other_high), product);
    let error = a.add(a.add(error, a.mul(high, other_low)), a.mul(low, other_high));
    (product, a.add(error, a.mul(low, other_low)))
}

/// The sum of two values as the rounded sum, and what was cut off (Knuth, 1969).
#[inline(always)]
pub(super) fn two_sum<A: Algebra>(a: A, x: A::Value, y: A::Value) -> (A::Value, A::Value) {
    let sum = a.add(x, y);
    let part = a.sub(sum, x);
    (sum, a.add(a.sub(x, a.sub(sum, part)), a.sub(y, part)))
}

/// The upper half of a value's fraction, and the rest.
#[inline(always)]
fn halves<A: Algebra>(a: A, x: A::Value) -> (A::Value, A::Value) {
    // The product of two upper halves is exact.
    let mask = a.integer(-1_i64 << ((A::FRACTION + 2) / 2));
    let high = a.with_bits(a.and_bits(a.to_bits(x), mask));
    (high, a.sub(x, high))
}
