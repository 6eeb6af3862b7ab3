//! The reducer: owns jobs. It commits plans and outcomes, counts each task once, sends and resends
//! tasks, knows when a job is done, and writes its report.
//!
//! # Layout
//! - [`owner`]: the engine, a state machine without I/O
//! - [`store`]: what it commits, in SQLite
//! - [`ledger`]: engine and store together: one turn, one transaction
//! - [`fold`]: what each workload's answers add up to, and how a report shows them
//! - [`report`]: reports and receipts
//! - [`mutant`]: invariants that tests break on purpose
//! - `fuzzing`: properties of what comes from outside, for tests and fuzz targets
//! - [`scratch`]: what must not outlive the process
//! - `lock`: one process at a time
//! - `takeover`: what an opening takes over from those before it
//! - [`service`]: the ledger wired to a transport
//!
//! Invariant: what has an effect outside (an ack, a publish, a reply) happens after the transaction
//! that it rests on. [`ledger::Ledger::turn`] is the one place that orders the two.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod fold;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod ledger;
mod lock;
pub mod mutant;
pub mod owner;
pub mod report;
pub mod scratch;
pub mod service;
pub mod store;
mod takeover;
