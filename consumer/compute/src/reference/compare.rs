//! Comparisons, and what chooses between elements.

use ops::Number::{self, Bool, Float};
use ops::ops::compare::{Cast, Clip, Where};
use ops::{DType, OpError};

use super::arithmetic::{larger, smaller};
use super::array::{cast, elementwise, is_nan, map};
use super::{Array, Reference};

/// Whether the first is smaller. Both have one type.
pub(super) fn less(x: Number, y: Number) -> bool {
    match (x, y) {
        (Float(x), Float(y)) => x < y,
        (x, y) => x.to_i64() < y.to_i64(),
    }
}

/// Whether both, which have one type, are equal.
pub(super) fn equal(x: Number, y: Number) -> bool {
    match (x, y) {
        (Float(x), Float(y)) => x == y,
        (x, y) => x.to_i64() == y.to_i64(),
    }
}

elementwise! {
    compare, |dtype| dtype, |_| DType::Bool;
    Equal: |x, _| Bool(equal(x[0], x[1]));
    NotEqual: |x, _| Bool(!equal(x[0], x[1]));
    Greater: |x, _| Bool(less(x[1], x[0]));
    GreaterEqual: |x, _| Bool(less(x[1], x[0]) || equal(x[0], x[1]));
    Less: |x, _| Bool(less(x[0], x[1]));
    LessEqual: |x, _| Bool(less(x[0], x[1]) || equal(x[0], x[1]));
    Isnan: |x, _| Bool(is_nan(x[0]));
}

impl Reference for Where {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let dtype = inputs[1].dtype.promote(inputs[2].dtype);
        Ok(vec![map(inputs, dtype, |x| cast(if x[0].is_true() { x[1] } else { x[2] }, dtype))])
    }
}

impl Reference for Clip {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let bounds = [self.min, self.max];
        let dtype = bounds.into_iter().flatten().fold(inputs[0].dtype, |dtype, bound| bound.dtype_beside(dtype));
        let [min, max] = bounds.map(|bound| bound.map(|bound| cast(bound, dtype)));
        Ok(vec![map(inputs, dtype, |x| {
            let x = cast(x[0], dtype);
            let x = min.map_or(x, |min| larger(x, min));
            max.map_or(x, |max| smaller(x, max))
        })])
    }
}

impl Reference for Cast {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        Ok(vec![inputs[0].cast(self.dtype)])
    }
}
