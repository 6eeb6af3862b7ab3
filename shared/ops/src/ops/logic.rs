//! Logic of truths and of bits.

use super::elementwise::{elementwise, promoted};
use crate::lower::{Builder, Function, Value};
use crate::{Bound, DType, OpError, rule};

fn truth(_: &[DType]) -> Result<DType, OpError> {
    Ok(DType::Bool)
}

fn bits(inputs: &[DType]) -> Result<DType, OpError> {
    rule::refuse(inputs, DType::is_float, "integers and bools")?;
    Ok(rule::promoted(inputs))
}

fn integers(inputs: &[DType]) -> Result<DType, OpError> {
    rule::refuse(inputs, |dtype| !dtype.is_integer(), "integers")?;
    Ok(rule::promoted(inputs))
}

fn of_truths(b: &mut Builder, x: &[Value], function: Function) -> Result<Value, OpError> {
    let truths: Vec<Value> = x.iter().map(|&value| b.truth(value)).collect();
    b.map(function, &truths)
}

elementwise! {
    LogicalAnd = "logical_and", 2 inputs, Bound::Exact, truth, |b, x| of_truths(b, x, Function::And);
    "Whether both are not zero, `numpy.logical_and`."
    LogicalOr = "logical_or", 2 inputs, Bound::Exact, truth, |b, x| of_truths(b, x, Function::Or);
    "Whether one is not zero, `numpy.logical_or`."
    LogicalXor = "logical_xor", 2 inputs, Bound::Exact, truth, |b, x| of_truths(b, x, Function::Xor);
    "Whether exactly one is not zero, `numpy.logical_xor`."
    LogicalNot = "logical_not", 1 inputs, Bound::Exact, truth, |b, x| of_truths(b, x, Function::Not);
    "Whether it is zero, `numpy.logical_not`."
    BitwiseAnd = "bitwise_and", 2 inputs, Bound::Exact, bits, |b, x| promoted(b, x, Function::And);
    "`numpy.bitwise_and`. Floats are refused."
    BitwiseOr = "bitwise_or", 2 inputs, Bound::Exact, bits, |b, x| promoted(b, x, Function::Or);
    "`numpy.bitwise_or`. Floats are refused."
    BitwiseXor = "bitwise_xor", 2 inputs, Bound::Exact, bits, |b, x| promoted(b, x, Function::Xor);
    "`numpy.bitwise_xor`. Floats are refused."
    Invert = "invert", 1 inputs, Bound::Exact, bits, |b, x| b.map(Function::Not, x);
    "Every bit turned, `numpy.invert`; of a bool its opposite. Floats are refused."
    LeftShift = "left_shift", 2 inputs, Bound::Exact, integers, |b, x| promoted(b, x, Function::Shl);
    "Bits moved up, `numpy.left_shift`. A shift below 0, or by the width or more, gives 0. Floats and bools are \
     refused."
    RightShift = "right_shift", 2 inputs, Bound::Exact, integers, |b, x| promoted(b, x, Function::Shr);
    "Bits moved down with the sign kept, `numpy.right_shift`. A shift below 0, or by the width or more, gives 0 \
     or -1. Floats and bools are refused."
}
