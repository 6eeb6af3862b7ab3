//! What the roles of Packhorse share: ids, messages, the contract types of every workload, the
//! topology's names, and the transports.
//!
//! Nothing here depends on another crate of the project; roles depend on this crate and never on
//! each other.
//!
//! # Layout
//! - [`id`]: names of jobs, owners, stores, classes, tasks, and which bytes they may hold
//! - [`beneath`]: opening beneath a directory and never outside
//! - [`descriptor`]: standard output and other descriptors, to be written to
//! - [`path`]: file names as bytes, and their form in JSON
//! - [`host`]: this machine's name
//! - [`environment`]: variables: unset, empty, not text
//! - [`notice`]: what a waiting submitter says
//! - [`message`]: every message that travels, and its form on the wire
//! - [`workload`]: the contract of each workload (what a task and its answer hold)
//! - [`job`]: what a job is, and how it stands
//! - [`topology`]: every exchange, queue and binding; the only place that spells names
//! - [`transport`]: the trait, its implementations, the choice by URL
//! - [`definitions`]: the topology and its users with their rights, as an operator loads them
//! - [`limits`]: every limit's default, with its unit and reason
//! - [`control`]: asking owners
//! - [`clock`]: time as the engines see it
//! - [`random`]: ids and jitter
//! - [`seal`]: encrypted and authenticated messages, and their keys
//! - `fuzzing`: properties of what comes from outside, for tests and fuzz targets
//! - [`shutdown`]: the two-step stop
//! - [`telemetry`]: logs on stderr
//! - [`threads`]: starting threads, and what to say when there are no more

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod beneath;
pub mod clock;
pub mod control;
pub mod definitions;
pub mod descriptor;
pub mod draft;
pub mod environment;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod host;
pub mod id;
pub mod job;
pub mod limits;
pub mod message;
pub mod notice;
pub mod path;
pub mod random;
pub mod resolve;
pub mod seal;
pub mod shutdown;
pub mod telemetry;
pub mod threads;
pub mod topology;
pub mod transport;
pub mod workload;
