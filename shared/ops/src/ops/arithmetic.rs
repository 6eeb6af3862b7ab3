//! Arithmetic of elements.

use super::elementwise::{elementwise, float, promoted};
use crate::lower::Function;
use crate::{Bound, DType, OpError, rule};

fn numbers(inputs: &[DType]) -> Result<DType, OpError> {
    rule::refuse(inputs, |dtype| dtype == DType::Bool && inputs.iter().all(|all| *all == DType::Bool), "numbers")?;
    Ok(rule::promoted(inputs))
}

fn any(inputs: &[DType]) -> Result<DType, OpError> {
    Ok(rule::promoted(inputs))
}

fn quotient(inputs: &[DType]) -> Result<DType, OpError> {
    Ok(rule::promoted(inputs).to_float())
}

elementwise! {
    Add = "add", 2 inputs, Bound::Exact, any, |b, x| match rule::promoted(&[b.dtype(x[0]), b.dtype(x[1])]) {
        DType::Bool => b.map(Function::Or, x),
        _ => promoted(b, x, Function::Add),
    };
    "Sum of two, `numpy.add`. Integers wrap around; of bools it is the logical or."
    Subtract = "subtract", 2 inputs, Bound::Exact, numbers, |b, x| promoted(b, x, Function::Sub);
    "Difference of two, `numpy.subtract`. Integers wrap around; two bools are refused."
    Multiply = "multiply", 2 inputs, Bound::Exact, any, |b, x| match rule::promoted(&[b.dtype(x[0]), b.dtype(x[1])]) {
        DType::Bool => b.map(Function::And, x),
        _ => promoted(b, x, Function::Mul),
    };
    "Product of two, `numpy.multiply`. Integers wrap around; of bools it is the logical and."
    Divide = "divide", 2 inputs, Bound::Exact, quotient, |b, x| float(b, x, Function::Div);
    "Quotient of two, `numpy.divide`: float64 of integers and bools."
    FloorDivide = "floor_divide", 2 inputs, Bound::Exact, numbers, |b, x| promoted(b, x, Function::FloorDiv);
    "Quotient of two towards minus infinity, `numpy.floor_divide`. An integer divided by 0 gives 0; two bools \
     are refused."
    Remainder = "remainder", 2 inputs, Bound::Exact, numbers, |b, x| promoted(b, x, Function::Remainder);
    "What a floor division leaves, with the sign of the divisor, `numpy.remainder`. An integer divided by 0 \
     leaves 0; two bools are refused."
    Power = "power", 2 inputs, Bound::Ulps(4), numbers, |b, x| {
        let dtype = rule::promoted(&[b.dtype(x[0]), b.dtype(x[1])]);
        if !dtype.is_integer() {
            return promoted(b, x, Function::Pow);
        }
        // Broadcast first: without a base no exponent is wrong.
        let shape = b.shape(x[0]).broadcast(b.shape(x[1]))?;
        let exponent = b.cast(x[1], dtype);
        let exponent = b.broadcast(exponent, &shape);
        let zero = b.number(0, dtype);
        let holds = b.map(Function::LessEqual, &[zero, exponent])?;
        let exponent = b.require(exponent, holds, "an integer has no power with a negative exponent: use floats");
        promoted(b, &[x[0], exponent], Function::Pow)
    };
    "The first to the power of the second, `numpy.power`. Integers wrap around, and the op fails for a negative \
     exponent of theirs; two bools are refused."
    Minimum = "minimum", 2 inputs, Bound::Exact, any, |b, x| promoted(b, x, Function::Min);
    "The smaller of two, `numpy.minimum`: NaN if one is NaN."
    Maximum = "maximum", 2 inputs, Bound::Exact, any, |b, x| promoted(b, x, Function::Max);
    "The larger of two, `numpy.maximum`: NaN if one is NaN."
    Negative = "negative", 1 inputs, Bound::Exact, numbers, |b, x| b.map(Function::Neg, x);
    "`numpy.negative`. The smallest integer stays as it is; bools are refused."
    Positive = "positive", 1 inputs, Bound::Exact, numbers, |_, x| Ok(x[0]);
    "The same array, `numpy.positive`; bools are refused."
    Abs = "abs", 1 inputs, Bound::Exact, any, |b, x| match b.dtype(x[0]) {
        DType::Bool => Ok(x[0]),
        _ => b.map(Function::Abs, x),
    };
    "Absolute value, `numpy.absolute`. The smallest integer stays as it is."
    Sign = "sign", 1 inputs, Bound::Exact, numbers, |b, x| b.map(Function::Sign, x);
    "-1, 0 or 1, `numpy.sign`: NaN of NaN, and 0 of -0; bools are refused."
    Square = "square", 1 inputs, Bound::Exact, any, |b, x| match b.dtype(x[0]) {
        DType::Bool => Ok(x[0]),
        _ => b.map(Function::Mul, &[x[0], x[0]]),
    };
    "x x, `numpy.square`. Integers wrap around."
    Cube = "cube", 1 inputs, Bound::Exact, numbers, |b, x| {
        let square = b.map(Function::Mul, &[x[0], x[0]])?;
        b.map(Function::Mul, &[square, x[0]])
    };
    "(x x) x. Integers wrap around; bools are refused."
}
