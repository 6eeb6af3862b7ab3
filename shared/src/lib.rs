//! Code that the roles of Packhorse share, in three modules. Each uses only those below it:
//!
//! - [`transport`]: carries messages. The trait, its implementations, and requests to owners over
//!   it.
//! - [`protocol`]: what travels. Ids, messages, each workload's contract, names of exchanges and
//!   queues, limits, encryption.
//! - [`system`]: what the machine provides. Time, randomness, files and descriptors, threads, logs.
//!
//! This crate depends on no other crate of the project. Roles depend on this crate and never on
//! each other. `fuzzing` holds properties of untrusted input, for tests and fuzz targets.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod protocol;
pub mod system;
pub mod transport;
