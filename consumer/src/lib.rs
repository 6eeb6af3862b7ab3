//! The consumer: does the tasks.
//!
//! # Layout
//! - [`engine`]: what to start, answer, ack and announce; a state machine without I/O
//! - [`work`]: one task's body in, one answer out; knows no broker
//! - [`isolation`]: the same in a process of its own, item by item, for tasks that kill consumers
//! - [`service`]: both wired to a transport; `publish` and `parts` are what it publishes with
//! - `fuzzing`: properties of what comes from outside, for tests and fuzz targets
//!
//! Invariant: a task is acked only after the broker has confirmed its outcome. So a crash at any
//! point repeats a task and never loses one.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod isolation;
mod parts;
mod publish;
mod recalled;
pub mod service;
pub mod work;

pub use isolation::Isolation;
pub use service::{ConsumerConfig, run};
