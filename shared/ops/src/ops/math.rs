//! Functions of single elements that have a fraction.

use super::elementwise::{elementwise, float};
use crate::lower::{Function, Value};
use crate::{Bound, DType, OpError, rule};

fn fraction(inputs: &[DType]) -> Result<DType, OpError> {
    Ok(rule::promoted(inputs).to_float())
}

/// Integers and bools have no fraction: they stay as they are.
fn rounded(b: &mut crate::lower::Builder, x: &[Value], function: Function) -> Result<Value, OpError> {
    if b.dtype(x[0]).is_float() { b.map(function, x) } else { Ok(x[0]) }
}

fn same(inputs: &[DType]) -> Result<DType, OpError> {
    Ok(rule::promoted(inputs))
}

elementwise! {
    Sqrt = "sqrt", 1 inputs, Bound::Exact, fraction, |b, x| float(b, x, Function::Sqrt);
    "Square root, `numpy.sqrt`: NaN of a negative number. float64 of integers and bools, as all functions here."
    Cbrt = "cbrt", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Cbrt);
    "Cube root, also of negative numbers, `numpy.cbrt`."
    Exp = "exp", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Exp);
    "e to the power of x, `numpy.exp`."
    Expm1 = "expm1", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Expm1);
    "exp(x) - 1, exact also for small x, `numpy.expm1`."
    Log = "log", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Log);
    "Natural logarithm, `numpy.log`: NaN of a negative number, -inf of 0."
    Log1p = "log1p", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Log1p);
    "log(1 + x), exact also for small x, `numpy.log1p`."
    Sin = "sin", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Sin);
    "Sine of radians, `numpy.sin`: NaN of an infinity."
    Cos = "cos", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Cos);
    "Cosine of radians, `numpy.cos`: NaN of an infinity."
    Tan = "tan", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Tan);
    "Tangent of radians, `numpy.tan`: NaN of an infinity."
    Tanh = "tanh", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Tanh);
    "Hyperbolic tangent, `numpy.tanh`."
    Sigmoid = "sigmoid", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Sigmoid);
    "1 / (1 + exp(-x)), `torch.sigmoid`."
    Gelu = "gelu", 1 inputs, Bound::Ulps(4), fraction, |b, x| float(b, x, Function::Gelu);
    "x (1 + erf(x / sqrt 2)) / 2, the exact form, `torch.nn.functional.gelu`."
    Relu = "relu", 1 inputs, Bound::Exact, same, |b, x| match b.dtype(x[0]) {
        DType::Bool => Ok(x[0]),
        _ => b.with(Function::Max, x[0], 0),
    };
    "The larger of x and 0, `torch.relu`: NaN of NaN, and 0 of -0."
    Floor = "floor", 1 inputs, Bound::Exact, same, |b, x| rounded(b, x, Function::Floor);
    "Towards minus infinity, `numpy.floor`. Integers and bools stay as they are."
    Ceil = "ceil", 1 inputs, Bound::Exact, same, |b, x| rounded(b, x, Function::Ceil);
    "Towards infinity, `numpy.ceil`. Integers and bools stay as they are."
    Round = "round", 1 inputs, Bound::Exact, same, |b, x| rounded(b, x, Function::Round);
    "To the nearest integer, ties to even, `numpy.round`. Integers and bools stay as they are."
}
