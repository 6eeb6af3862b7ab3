//! Properties of what comes from outside, whatever it is: tests call them with made-up inputs, fuzz
//! targets (`fuzz/`) with inputs that they find.
//!
//! Each panics when its property does not hold.
//!
//! # Layout
//! - `manifest`: lines of reports against independent decoders
//! - `parts`: sums over the parts of outcomes

mod manifest;
mod parts;
#[cfg(test)]
mod tests;

pub use crate::store::fuzzing::store;
pub use manifest::manifest;
pub use parts::parts;
