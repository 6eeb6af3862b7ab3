//! The reducer owns jobs. It commits plans and outcomes, counts each task once, sends and resends
//! tasks, decides when a job is done, and writes its report.
//!
//! # Layout
//! - [`owner`]: the engine, a state machine without I/O
//! - [`store`]: the SQLite store that holds what the engine commits
//! - [`ledger`]: engine and store together; one turn is one transaction
//! - [`fold`]: for each workload, how answers are summed and how a report shows them
//! - [`report`]: reports and receipts
//! - [`mutant`]: invariants that tests break on purpose
//! - `fuzzing`: properties of untrusted input, for tests and fuzz targets
//! - [`scratch`]: temporary files that must not outlive the process
//! - `lock`: a file lock that one process holds at a time
//! - `takeover`: answers that a new opening of a job takes over from the earlier ones
//! - [`service`]: the ledger wired to a transport
//!
//! Invariant: an effect outside the process (an ack, a publish, a reply) happens after the commit
//! of the transaction that it depends on. [`ledger::Ledger::turn`] is the one place that orders the
//! two.

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
