//! Arithmetic of elements.

use ops::Number::{self, Bool, Float, Int};
use ops::ops::arithmetic::Power;
use ops::{DType, OpError};

use super::array::{elementwise, is_nan, map, promoted, rounded};
use super::compare::less;
use super::{Array, Reference};

/// A function of two numbers of one type. Bools are integers here.
fn of_two(x: &[Number], integers: fn(i64, i64) -> i64, floats: impl Fn(f64, f64) -> f64) -> Number {
    match (x[0], x[1]) {
        (Float(x), Float(y)) => Float(floats(x, y)),
        (x, y) => Int(integers(x.to_i64(), y.to_i64())),
    }
}

/// A function of one number. It leaves bools as they are.
fn of_one(x: Number, integers: fn(i64) -> i64, floats: impl Fn(f64) -> f64) -> Number {
    match x {
        Bool(_) => x,
        Int(x) => Int(integers(x)),
        Float(x) => Float(floats(x)),
    }
}

elementwise! {
    arithmetic, |dtype| dtype, |dtype| dtype;
    Add: |x, _| match x {
        [Bool(x), Bool(y)] => Bool(x | y),
        _ => of_two(x, i64::wrapping_add, |x, y| x + y),
    };
    Subtract: |x, _| of_two(x, i64::wrapping_sub, |x, y| x - y);
    Multiply: |x, _| match x {
        [Bool(x), Bool(y)] => Bool(x & y),
        _ => of_two(x, i64::wrapping_mul, |x, y| x * y),
    };
    FloorDivide: |x, dtype| of_two(x, |x, y| whole_divmod(x, y).0, |x, y| float_divmod(x, y, dtype).0);
    Remainder: |x, dtype| of_two(x, |x, y| whole_divmod(x, y).1, |x, y| float_divmod(x, y, dtype).1);
    Minimum: |x, _| smaller(x[0], x[1]);
    Maximum: |x, _| larger(x[0], x[1]);
    Negative: |x, _| of_one(x[0], i64::wrapping_neg, |x| -x);
    Positive: |x, _| x[0];
    Abs: |x, _| of_one(x[0], i64::wrapping_abs, f64::abs);
    Sign: |x, _| of_one(x[0], i64::signum, sign);
    Square: |x, _| of_one(x[0], |x| x.wrapping_mul(x), |x| x * x);
    Cube: |x, dtype| match (x[0], dtype) {
        (Float(x), dtype) => Float(rounded(x * x, dtype) * x),
        (x, _) => of_one(x, |x| x.wrapping_mul(x).wrapping_mul(x), |x| x),
    };
}

elementwise! {
    arithmetic, DType::to_float, |dtype| dtype;
    Divide: |x, _| Float(x[0].to_f64() / x[1].to_f64());
}

/// The smaller of two of one type, NaN if one is. Of equal ones (0 and -0) it is the second, as in
/// NumPy's vector code for x86; elsewhere NumPy may give the first.
pub(super) fn smaller(x: Number, y: Number) -> Number {
    if is_nan(x) || less(x, y) { x } else { y }
}

/// The larger of two; see [`smaller`].
pub(super) fn larger(x: Number, y: Number) -> Number {
    if is_nan(x) || less(y, x) { x } else { y }
}

fn sign(x: f64) -> f64 {
    match x {
        _ if x > 0.0 => 1.0,
        _ if x < 0.0 => -1.0,
        _ if x.is_nan() => x,
        _ => 0.0,
    }
}

/// The quotient towards minus infinity and what it leaves; both are 0 if the divisor is.
fn whole_divmod(x: i64, y: i64) -> (i64, i64) {
    if y == 0 {
        return (0, 0);
    }
    let (quotient, rest) = (x.wrapping_div(y), x.wrapping_rem(y));
    if rest != 0 && (rest < 0) != (y < 0) { (quotient - 1, rest + y) } else { (quotient, rest) }
}

/// NumPy's `npy_divmod`, step by step in the type's own arithmetic.
fn float_divmod(x: f64, y: f64, dtype: DType) -> (f64, f64) {
    // It is exact, so that it needs no rounding.
    let mut rest = libm::fmod(x, y);
    if y == 0.0 {
        return (x / y, rest);
    }
    let mut quotient = rounded(rounded(x - rest, dtype) / y, dtype);
    if rest == 0.0 {
        rest = libm::copysign(0.0, y);
    } else if (y < 0.0) != (rest < 0.0) {
        rest = rounded(rest + y, dtype);
        quotient = rounded(quotient - 1.0, dtype);
    }
    if quotient == 0.0 {
        return (libm::copysign(0.0, x / y), rest);
    }
    let floor = libm::floor(quotient);
    // The quotient is nearly an integer, and may be just below it.
    (if quotient - floor > 0.5 { rounded(floor + 1.0, dtype) } else { floor }, rest)
}

impl Reference for Power {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let inputs = promoted(inputs);
        let mut is_negative = false;
        let power = map(&inputs, inputs[0].dtype, |x| match (x[0], x[1]) {
            (Float(x), Float(y)) => Float(libm::pow(x, y)),
            (x, y) => {
                is_negative |= y.to_i64() < 0;
                Int(whole_power(x.to_i64(), y.to_i64()))
            }
        });
        match is_negative {
            true => Err(OpError::new("an integer has no power with a negative exponent: use floats")),
            false => Ok(vec![power]),
        }
    }
}

/// With wrapping, from the upper bit of the exponent on.
fn whole_power(x: i64, exponent: i64) -> i64 {
    (0..i64::BITS).rev().fold(1_i64, |power, bit| {
        let square = power.wrapping_mul(power);
        if (exponent >> bit) & 1 == 1 { square.wrapping_mul(x) } else { square }
    })
}
