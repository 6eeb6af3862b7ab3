//! The consumer: does the tasks.
//!
//! # Layout
//! - [`engine`]: what to start, answer, ack and announce; a state machine without I/O
//! - [`work`]: one task's body in, one answer out; knows no broker
//! - [`service`]: both wired to a transport; `publish` and `parts` are what it publishes with
//!
//! Invariant: a task is acked only after the broker has confirmed its outcome. So a crash at any
//! point repeats a task and never loses one.

pub mod engine;
mod parts;
mod publish;
pub mod service;
pub mod work;

pub use service::{ConsumerConfig, run};
