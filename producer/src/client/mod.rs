//! The client: submits a job to its owner.
//!
//! # Layout
//! - [`engine`]: opens a job, publishes its plan and waits; no I/O
//! - [`retrace`]: compares a plan, made again from the start, with the part that the owner has
//! - [`service`]: runs the engine on a transport

pub mod engine;
pub mod retrace;
pub mod service;
