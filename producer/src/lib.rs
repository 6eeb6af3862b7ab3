//! The producer: plans a job and hands its tasks to the job's owner.
//!
//! # Layout
//! - [`plan`]: what each workload's tasks are
//! - [`planner`]: a plan on a thread of its own
//! - [`retrace`]: a plan that its owner has in part, made once more from the start
//! - [`submission`]: the engine that opens a job, publishes its plan and waits; no I/O
//! - [`service`]: that engine wired to a transport
//! - [`rider`]: the producer of `steps`, which sends its tasks itself

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod plan;
pub mod planner;
pub mod retrace;
pub mod rider;
pub mod service;
pub mod submission;

pub use service::{ProducerConfig, ProducerError, run};
