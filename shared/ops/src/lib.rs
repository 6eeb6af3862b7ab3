//! What an op graph is. What it gives is in `packhorse-compute`.
//!
//! - [`DType`], [`Shape`], [`Tensor`]: arrays and their types
//! - [`Op`]: everything that a graph may compute, each with its rule for types and shapes
//! - [`lower`]: how an op is made of primitives, which are all that a backend knows
//!
//! This crate depends on no runtime.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

mod axes;
mod dtype;
mod error;
mod index;
pub mod lower;
mod number;
mod op;
pub mod ops;
mod rule;
mod shape;
mod tensor;

pub use axes::Axes;
pub use dtype::DType;
pub use error::OpError;
pub use index::{Index, Part};
pub use number::Number;
pub use op::{Arity, Bound, Op, Operator};
pub use shape::{BYTES_MAX, RANK_MAX, Shape};
pub use tensor::{Data, Element, Tensor};
