//! The producer: plans a job and hands its tasks to the job's owner.
//!
//! # Layout
//! - [`plan`]: turns a job's spec into tasks, for each workload
//! - [`planner`]: makes a plan on a thread of its own
//! - [`client`]: submits a job to its owner
//! - [`rider`]: the producer of `steps`, which sends its tasks itself

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod client;
pub mod plan;
pub mod planner;
pub mod rider;

pub use client::service::{ProducerConfig, ProducerError, run};
