//! The client: submits a job to its owner. Commands that own their job, producers and riders differ
//! in the link to the owner and in the source of tasks alone.
//!
//! # Layout
//! - [`engine`]: opens a job, hands over its plan and waits; no I/O
//! - [`retrace`]: compares a plan, made again from the start, with the part that the owner has
//! - [`source`]: where the tasks of a plan come from
//! - [`link`]: the road to the owner; [`remote`]: the one over a transport
//! - [`service`]: drives engine, source and link
//! - [`error`]: why a submission ends without success

pub mod engine;
pub mod error;
pub mod link;
pub mod remote;
pub mod retrace;
pub mod service;
pub mod source;

pub use error::ProducerError;
pub use remote::Remote;
pub use service::{Client, ClientConfig};
