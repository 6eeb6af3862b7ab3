//! What an op graph gives. What it is, is in `packhorse-ops`.
//!
//! - [`mod@reference`]: every op, naively. It decides what is right, and knows nothing of primitives.
//! - [`define`]: functions of elements, once for all engines
//! - [`cpu`]: an engine for primitives on this machine's CPU
//!
//! This crate depends on no runtime.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod cpu;
pub mod define;
pub mod reference;
