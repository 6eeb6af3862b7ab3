//! Each function of elements once, as text that every engine shares: native code, wasm, and later CUDA
//! and WGSL.
//!
//! A definition is written over an [`Algebra`]: for the CPU engine a value is a float, for a printer of
//! kernels the name of a value. Definitions are made of + - * / sqrt, comparisons, choices and
//! operations on bits alone, each of which IEEE 754 defines to the last bit. So a definition gives the
//! same bits wherever it runs. There is no fused multiply-add in it, and no library function.
//!
//! Polynomials are Taylor series after a reduction of the argument, long enough that what is left out
//! is below half a unit in the last place.

mod algebra;
mod cube_root;
mod error_function;
mod exponential;
mod far_angle;
mod logarithm;
mod plain;
mod polynomial;
mod power;
#[cfg(test)]
mod tests;
mod trigonometry;

pub use algebra::Algebra;
pub use cube_root::cbrt;
pub use error_function::gelu;
pub use exponential::{exp, expm1, sigmoid, tanh};
pub use logarithm::{log, log1p};
pub use plain::{Double, Single};
pub use power::pow;
pub(crate) use trigonometry::limit;
pub use trigonometry::{cos, cos_far, sin, sin_far, tan, tan_far};
