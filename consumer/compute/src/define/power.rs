//! Powers.

use super::Algebra;
use super::exponential::{exp_of_sum, ln2};
use super::logarithm::{TERMS, split};
use super::polynomial::{polynomial, two_product, two_sum};

/// A value as the sum of two: a rounded one, and what it lacks.
type Two<A> = (<A as Algebra>::Value, <A as Algebra>::Value);

#[inline(always)]
fn product<A: Algebra>(a: A, (x, x_rest): Two<A>, (y, y_rest): Two<A>) -> Two<A> {
    let (high, low) = two_product(a, x, y);
    (high, a.add(low, a.add(a.mul(x, y_rest), a.mul(x_rest, y))))
}

#[inline(always)]
fn sum<A: Algebra>(a: A, (x, x_rest): Two<A>, (y, y_rest): Two<A>) -> Two<A> {
    let (high, low) = two_sum(a, x, y);
    two_sum(a, high, a.add(low, a.add(x_rest, y_rest)))
}

/// A number that one value does not hold exactly.
#[inline(always)]
fn constant<A: Algebra>(a: A, number: f64, rest: f64) -> Two<A> {
    let high = a.number(number);
    if A::FRACTION == 23 { (high, a.number(number - f64::from(number as f32))) } else { (high, a.number(rest)) }
}

/// The logarithm of a positive x as a sum of two: an error in it is multiplied by the exponent.
#[inline(always)]
fn log<A: Algebra>(a: A, x: A::Value) -> Two<A> {
    let (k, m) = split(a, x);
    let zero = a.number(0.0);
    let f = a.sub(m, a.number(1.0));
    // s = f / (2 + f), and what the quotient lacks.
    let (divisor, divisor_rest) = two_sum(a, a.number(2.0), f);
    let s = a.div(f, divisor);
    let (back, back_rest) = two_product(a, s, divisor);
    let left = a.sub(a.sub(a.sub(f, back), back_rest), a.mul(s, divisor_rest));
    let s = (s, a.div(left, divisor));
    // 2 s (1 + z / 3 + z^2 / 5 + ...) with z = s^2: all but the first two terms are small.
    let z = product(a, s, s);
    let rest = a.mul(a.mul(z.0, z.0), polynomial(a, z.0, &TERMS[2..A::LOG_TERMS + 2]));
    let third = product(a, z, constant(a, 2.0 / 3.0, 3.700_743_415_417_188e-17));
    let terms = sum(a, sum(a, (a.number(2.0), zero), third), (rest, zero));
    let (high, low) = ln2(a);
    sum(a, sum(a, (a.mul(k, high), zero), (a.mul(k, low), zero)), product(a, s, terms))
}

/// The power of a positive x.
#[inline(always)]
fn of_positive<A: Algebra>(a: A, x: A::Value, y: A::Value) -> A::Value {
    // With such an exponent the result is 1, 0 or infinite, and no product overflows.
    let most = a.number(if A::FRACTION == 23 { 3.5e10 } else { 1e21 });
    let y = a.select(a.less(most, y), most, y);
    let y = a.select(a.less(y, a.neg(most)), a.neg(most), y);
    let (high, low) = product(a, log(a, x), (y, a.number(0.0)));
    let (high, low) = two_sum(a, high, low);
    // Where the power is 0 or infinite in any case, `low` may be large.
    let is_large = a.less(a.number(1e4), a.abs(high));
    exp_of_sum(a, high, a.select(is_large, a.number(0.0), low))
}

/// Whether a value that is not negative is an integer.
#[inline(always)]
fn is_integer<A: Algebra>(a: A, x: A::Value) -> A::Truth {
    // From here on there is no room for a fraction.
    let limit = a.number((1_u64 << A::FRACTION) as f64);
    let rounded = a.sub(a.add(x, limit), limit);
    a.or(a.less(limit, x), a.equal(rounded, x))
}

/// The cases of C's `pow` (ISO C, annex F.10.4.4), which NumPy has too.
#[inline(always)]
pub fn pow<A: Algebra>(a: A, x: A::Value, y: A::Value) -> A::Value {
    let (zero, one, infinity) = (a.number(0.0), a.number(1.0), a.number(f64::INFINITY));
    let (size, exponent) = (a.abs(x), a.abs(y));
    let is_whole = is_integer(a, exponent);
    let half = a.mul(exponent, a.number(0.5));
    // An even integer has an integer half. There is no odd one above 2^(FRACTION + 1).
    let is_even = a.or(is_integer(a, half), a.less(a.number((1_u64 << (A::FRACTION + 1)) as f64), exponent));
    let mut result = of_positive(a, size, y);
    // 0 and infinity, whose logarithm is infinite.
    let grows = a.less(zero, y);
    let is_zero = a.equal(x, zero);
    let is_infinite = a.equal(size, infinity);
    result = a.select(is_zero, a.select(grows, zero, infinity), result);
    result = a.select(is_infinite, a.select(grows, infinity, zero), result);
    let is_below = a.less(x, zero);
    let is_finite = a.less(size, infinity);
    let refused = a.and(a.and(is_below, is_finite), a.not(is_whole));
    result = a.select(refused, a.number(f64::NAN), result);
    // An odd power has the sign of x, also of -0.
    let signed = a.copy_sign(result, x);
    let is_odd = a.and(is_whole, a.not(is_even));
    result = a.select(is_odd, signed, result);
    // -1 to an infinite power, 1 to any, and any to 0, NaN included.
    let is_unit = a.and(a.equal(size, one), a.equal(exponent, infinity));
    result = a.select(is_unit, one, result);
    let is_nan = a.or(a.is_nan(x), a.is_nan(y));
    result = a.select(is_nan, a.number(f64::NAN), result);
    a.select(a.or(a.equal(x, one), a.equal(y, zero)), one, result)
}
