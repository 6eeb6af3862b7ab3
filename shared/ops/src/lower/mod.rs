//! Primitives: what ops are made of, and all that a backend computes.
//!
//! [`Op::lower`](crate::Op::lower) makes a [`Program`] of an op and the types of its inputs. A
//! program's nodes are in order: each uses only nodes before it.

mod builder;
mod combine;
mod function;
mod primitive;

pub use builder::Builder;
pub use function::Function;
pub use primitive::{Fold, Node, Primitive, Program, Value, Windows};
