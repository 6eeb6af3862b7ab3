//! Functions of single elements that have a fraction: float64's, rounded once.

use std::f64::consts::FRAC_1_SQRT_2;

use ops::DType;
use ops::Number::{Bool, Float, Int};

use super::array::elementwise;

/// What each is of a float.
macro_rules! functions {
    ($($name:ident: $function:expr;)*) => {
        elementwise! { math, DType::to_float, |dtype| dtype; $($name: |x, _| Float($function(x[0].to_f64()));)* }
    };
}

functions! {
    Sqrt: libm::sqrt;
    Cbrt: libm::cbrt;
    Exp: libm::exp;
    Expm1: libm::expm1;
    Log: libm::log;
    Log1p: libm::log1p;
    Sin: libm::sin;
    Cos: libm::cos;
    Tan: libm::tan;
    Tanh: libm::tanh;
    Sigmoid: sigmoid;
    Gelu: gelu;
}

/// What each is of a float; integers and bools stay as they are.
macro_rules! roundings {
    ($($name:ident: $function:expr;)*) => {
        elementwise! {
            math, |dtype| dtype, |dtype| dtype;
            $($name: |x, _| if let Float(x) = x[0] { Float($function(x)) } else { x[0] };)*
        }
    };
}

roundings! {
    Floor: libm::floor;
    Ceil: libm::ceil;
    Round: libm::rint;
}

elementwise! {
    math, |dtype| dtype, |dtype| dtype;
    Relu: |x, _| match x[0] {
        Bool(_) => x[0],
        Int(x) => Int(x.max(0)),
        // NaN is not at most 0.
        Float(x) => Float(if x <= 0.0 { 0.0 } else { x }),
    };
}

/// The power is at most 1, so that it does not overflow.
fn sigmoid(x: f64) -> f64 {
    let power = libm::exp(-x.abs());
    if x < 0.0 { power / (1.0 + power) } else { 1.0 / (1.0 + power) }
}

/// 1 / sqrt 2 less its nearest float64.
const FRAC_1_SQRT_2_REST: f64 = -4.833_646_656_726_457e-17;

/// x / 2 times 1 + erf(x / sqrt 2) = erfc(z), z = -x / sqrt 2. The sum cancels out for a negative x.
/// Where erfc is small, its relative error is that of z times 2 z^2: what z rounds away counts.
fn gelu(x: f64) -> f64 {
    let z = -x * FRAC_1_SQRT_2;
    let rest = libm::fma(-x, FRAC_1_SQRT_2, -z) - x * FRAC_1_SQRT_2_REST;
    let slope = -std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-z * z);
    let correction = if z.is_finite() { slope * rest } else { 0.0 };
    0.5 * x * (libm::erfc(z) + correction)
}
