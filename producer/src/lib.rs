//! The producer: plans a job and hands its tasks to the job's owner.
//!
//! # Layout
//! - [`plan`]: turns a job's spec into tasks, for each workload
//! - [`planner`]: makes a plan on a thread of its own
//! - [`retrace`]: compares a plan, made again from the start, with the part that the owner has
//! - [`submission`]: the engine that opens a job, publishes its plan and waits; no I/O
//! - [`service`]: runs that engine on a transport
//! - [`pool`]: calls of a user's own worker
//! - [`rider`]: the producer of `steps`, which sends its tasks itself

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod plan;
pub mod planner;
pub mod pool;
pub mod retrace;
pub mod rider;
pub mod service;
pub mod submission;

pub use service::{ProducerConfig, ProducerError, run};
