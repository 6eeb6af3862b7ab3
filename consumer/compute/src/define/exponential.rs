//! The exponential, and what is made of it.

use super::Algebra;
use super::polynomial::{INVERSE_FACTORIALS, polynomial};

/// ln 2 as the sum of two numbers. The first has so few bits that its product with an exponent is exact.
#[inline(always)]
pub(super) fn ln2<A: Algebra>(a: A) -> (A::Value, A::Value) {
    if A::FRACTION == 23 {
        // 355 / 512
        (a.number(0.693_359_375), a.number(std::f64::consts::LN_2 - 0.693_359_375))
    } else {
        // 32 bits of ln 2; the rest is that of its expansion to 100 bits.
        (a.number(0.693_147_180_369_123_8), a.number(1.908_214_929_270_587_7e-10))
    }
}

/// x + rest = n ln 2 + r with r from -ln 2 / 2 to ln 2 / 2.
#[inline(always)]
fn reduce<A: Algebra>(a: A, x: A::Value, rest: A::Value) -> (A::Bits, A::Value) {
    let (whole, n) = a.round(a.mul(x, a.number(std::f64::consts::LOG2_E)));
    let (high, low) = ln2(a);
    let r = a.sub(a.sub(x, a.mul(whole, high)), a.sub(a.mul(whole, low), rest));
    (n, r)
}

/// (e^r - 1 - r) / r^2 for a small r.
#[inline(always)]
fn tail<A: Algebra>(a: A, r: A::Value) -> A::Value {
    polynomial(a, r, &INVERSE_FACTORIALS[2..A::EXP_TERMS])
}

/// Cuts x to where e^x is neither infinite nor 0; NaN stays.
#[inline(always)]
fn cut<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let (low, high) = if A::FRACTION == 23 { (-104.0, 89.0) } else { (-746.0, 710.0) };
    let x = a.select(a.less(x, a.number(low)), a.number(low), x);
    a.select(a.less(a.number(high), x), a.number(high), x)
}

#[inline(always)]
pub fn exp<A: Algebra>(a: A, x: A::Value) -> A::Value {
    exp_of_sum(a, x, a.number(0.0))
}

/// e^(x + rest), for a `rest` below a unit in the last place of x.
#[inline(always)]
pub(super) fn exp_of_sum<A: Algebra>(a: A, x: A::Value, rest: A::Value) -> A::Value {
    let (n, r) = reduce(a, cut(a, x), rest);
    let rest = a.add(r, a.mul(a.mul(r, r), tail(a, r)));
    let result = a.scale(a.add(a.number(1.0), rest), n);
    a.select(a.is_nan(x), x, result)
}

/// e^x - 1 = 2^n (e^r - 1) + (2^n - 1), all halved first, as 2^n may be above the largest number.
#[inline(always)]
pub fn expm1<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let low = if A::FRACTION == 23 { -20.0 } else { -45.0 };
    let cut = cut(a, a.select(a.less(x, a.number(low)), a.number(low), x));
    let (n, r) = reduce(a, cut, a.number(0.0));
    let small = a.add(r, a.mul(a.mul(r, r), tail(a, r)));
    let half = a.power_of_two(a.sub_bits(n, a.integer(1)));
    let halved = a.add(a.mul(half, small), a.sub(half, a.number(0.5)));
    let result = a.mul(halved, a.number(2.0));
    // -0 stays -0, and what is so small that its square vanishes stays.
    let tiny = a.less(a.abs(x), a.number(1e-30));
    a.select(a.or(tiny, a.is_nan(x)), x, result)
}

/// 1 / (1 + e^-x), and for a negative x e^x / (1 + e^x), so that no power is infinite.
#[inline(always)]
pub fn sigmoid<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let one = a.number(1.0);
    let power = exp(a, a.neg(a.abs(x)));
    let above = a.select(a.less(x, a.number(0.0)), power, one);
    a.select(a.is_nan(x), x, a.div(above, a.add(one, power)))
}

/// 1 - 2 / (e^2x + 1) = (e^2x - 1) / (e^2x - 1 + 2), of the absolute value.
#[inline(always)]
pub fn tanh<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let size = a.abs(x);
    // From here on it is 1 to the last bit.
    let size = a.select(a.less(a.number(30.0), size), a.number(30.0), size);
    let power = expm1(a, a.add(size, size));
    let result = a.div(power, a.add(power, a.number(2.0)));
    a.select(a.is_nan(x), x, a.copy_sign(result, x))
}
