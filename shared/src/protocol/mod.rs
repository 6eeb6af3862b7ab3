//! What travels between roles, and the names that they use. No I/O.
//!
//! - [`id`]: ids of jobs, owners, stores, classes and tasks, and which bytes they may hold
//! - [`path`]: file names as bytes, and their form in JSON
//! - [`payload`]: bytes with their content type: bodies and answers
//! - [`limits`]: every limit's default, with its unit and reason
//! - [`reason`]: why a message is refused
//! - [`message`]: every message, and its form on the wire
//! - [`seal`]: encrypted and authenticated messages, and their keys
//! - [`workload`]: the contents of a task and its answer, for each workload
//! - [`job`]: a job's specification, state, counts and status
//! - [`topology`]: every exchange, queue and binding; the only place that spells their names
//! - [`definitions`]: the topology and its users with their rights, as an operator loads them
//! - [`notice`]: notices that a waiting submitter prints

pub mod definitions;
pub mod id;
pub mod job;
pub mod limits;
pub mod message;
pub mod notice;
pub mod path;
pub mod payload;
pub mod reason;
pub mod seal;
pub mod topology;
pub mod workload;
