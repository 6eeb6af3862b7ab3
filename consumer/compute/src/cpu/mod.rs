//! The engine for CPUs. It computes programs of primitives.
//!
//! - `engine`: one node after the other
//! - `view`: arrays with strides, so that moves need no copy
//! - `chain`, `functions`: functions of elements, fused and tile by tile
//! - `fold`, `order`, `places`, `product`, `random`: all other primitives

mod chain;
mod engine;
mod fold;
mod functions;
mod order;
mod places;
mod product;
mod random;
#[cfg(test)]
mod tests;
mod view;

use ops::{DType, Op, OpError, Shape, Tensor};

/// The results of an op.
///
/// # Errors
/// The inputs do not fit the op, or it fails for their elements.
pub fn evaluate(op: &Op, inputs: &[Tensor]) -> Result<Vec<Tensor>, OpError> {
    let types: Vec<(DType, Shape)> = inputs.iter().map(|input| (input.dtype(), input.shape().clone())).collect();
    let program = op.lower(&types)?;
    engine::run(&program, inputs).map_err(|error| OpError(format!("{}: {error}", op.name())))
}
