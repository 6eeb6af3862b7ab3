//! Logic of truths and of bits.

use ops::DType;
use ops::Number::{self, Bool, Int};

use super::array::elementwise;

/// A function of two integers, or of two bools.
fn of_bits(x: &[Number], integers: fn(i64, i64) -> i64, bools: fn(bool, bool) -> bool) -> Number {
    match (x[0], x[1]) {
        (Bool(x), Bool(y)) => Bool(bools(x, y)),
        (x, y) => Int(integers(x.to_i64(), y.to_i64())),
    }
}

elementwise! {
    logic, |dtype| dtype, |_| DType::Bool;
    LogicalAnd: |x, _| Bool(x[0].is_true() && x[1].is_true());
    LogicalOr: |x, _| Bool(x[0].is_true() || x[1].is_true());
    LogicalXor: |x, _| Bool(x[0].is_true() != x[1].is_true());
    LogicalNot: |x, _| Bool(!x[0].is_true());
}

elementwise! {
    logic, |dtype| dtype, |dtype| dtype;
    BitwiseAnd: |x, _| of_bits(x, |x, y| x & y, |x, y| x && y);
    BitwiseOr: |x, _| of_bits(x, |x, y| x | y, |x, y| x || y);
    BitwiseXor: |x, _| of_bits(x, |x, y| x ^ y, |x, y| x != y);
    Invert: |x, _| if let Bool(x) = x[0] { Bool(!x) } else { Int(!x[0].to_i64()) };
    LeftShift: |x, dtype| Int(shift(x[1], dtype).map_or(0, |by| x[0].to_i64() << by));
    // What is moved out of 64 bits leaves the sign.
    RightShift: |x, dtype| Int(x[0].to_i64() >> shift(x[1], dtype).unwrap_or(63));
}

/// By how many bits, if these are some of the type's.
fn shift(by: Number, dtype: DType) -> Option<u32> {
    u32::try_from(by.to_i64()).ok().filter(|&by| (by as usize) < 8 * dtype.size())
}
