//! Properties of untrusted input. Tests call them with generated inputs, and fuzz targets (`fuzz/`)
//! with the inputs that they find.
//!
//! Each function panics if its property does not hold.
//!
//! # Layout
//! - `manifest`: compares lines of reports with independent decoders
//! - `parts`: compares sums over the parts of outcomes with an independent sum
//! - `store`, in `crate::store::fuzzing`: opens damaged stores

mod manifest;
mod parts;
#[cfg(test)]
mod tests;

pub use crate::store::fuzzing::store;
pub use manifest::manifest;
pub use parts::parts;
