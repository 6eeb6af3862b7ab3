//! The consumer: takes tasks from the broker, does them and publishes their outcomes.
//!
//! # Layout
//! - [`engine`]: decides what to start, answer, ack and announce; a state machine without I/O
//! - [`parts`]: decides which part of an answer is published next, and where one is cut
//! - [`work`]: turns one task's body into one answer, without a broker
//! - [`isolation`]: the same in a process of its own, item by item, for tasks that kill consumers
//! - [`workers`]: users' own workers, for their calls
//! - `executor`: does the tasks of a lane in its slots, by threads or by child processes
//! - [`service`]: runs all of it on a transport; `publish` does its publishing
//! - `fuzzing`: properties of untrusted input, for tests and fuzz targets
//!
//! Invariant: a task is acked only after the broker has confirmed its outcome or its lease. So a
//! crash at any point repeats a task and never loses one.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod engine;
mod executor;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod isolation;
pub mod parts;
mod publish;
mod recalled;
pub mod service;
pub mod work;
pub mod workers;

pub use isolation::Isolation;
pub use service::{ConsumerConfig, ConsumerError, LaneConfig, LaneError, Lanes, Service, run};
pub use workers::Workers;
