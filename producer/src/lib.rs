//! The producer: plans a job and hands its tasks to the job's owner.
//!
//! # Layout
//! - [`plan`]: turns a job's spec into tasks, for each workload
//! - [`planner`]: makes a plan on a thread of its own
//! - [`pool`]: calls of a user's own worker
//! - [`client`]: submits a job to its owner

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod client;
pub mod plan;
pub mod planner;
pub mod pool;

pub use client::{Client, ClientConfig, ProducerError, Remote};
