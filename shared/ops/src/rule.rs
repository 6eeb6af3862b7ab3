//! What the rules of several ops have in common.

use crate::{DType, OpError, Shape};

/// The type that all are promoted to.
pub fn promoted(inputs: &[DType]) -> DType {
    inputs.iter().copied().reduce(DType::promote).unwrap_or(DType::F64)
}

/// Refuses inputs of a type that the op has no meaning for.
pub fn refuse(inputs: &[DType], refused: impl Fn(DType) -> bool, takes: &str) -> Result<(), OpError> {
    match inputs.iter().find(|dtype| refused(**dtype)) {
        Some(dtype) => Err(OpError(format!("it takes {takes}, not {dtype}"))),
        None => Ok(()),
    }
}

/// The shape that all are broadcast to.
pub fn broadcast(shapes: &[Shape]) -> Result<Shape, OpError> {
    shapes.iter().try_fold(Shape::scalar(), |one, other| one.broadcast(other))
}

/// Refuses a reduction without an identity (a minimum, say) along an axis of length 0.
pub fn not_empty(shape: &Shape, axes: &[usize]) -> Result<(), OpError> {
    match axes.iter().find(|&&axis| shape.lengths()[axis] == 0) {
        Some(axis) => {
            Err(OpError(format!("the shape {shape} has no elements along axis {axis}, so there is no result")))
        }
        None => Ok(()),
    }
}
