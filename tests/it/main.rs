//! Packhorse as a whole, in one binary: linking is dear.
//!
//! # Modules
//! - `world`: a directory for each test, and the real commands as processes in it
//! - `broker`: RabbitMQ for tests, of one's own or shared
//! - `conformance`: the suite that every transport passes, over RabbitMQ
//! - `rabbitmq`: the transport over RabbitMQ where it meets faults
//! - `cli`: `packhorse sha1` as its users run it, on one machine
//! - `hostile`: trees that break other tools, and files that change under the reader
//! - `resume`: `--state FILE`, killed at any moment and run again
//! - `stopping`: signals: once and twice, and what is left behind
//! - `cluster`: roles as processes around a virtual host of one's own
//! - `pipeline`: the roles over RabbitMQ, killed and joined at any time
//! - `bad_input`: what users, brokers and strangers get wrong

mod bad_input;
mod broker;
mod cli;
mod cluster;
mod conformance;
mod hostile;
mod pipeline;
mod rabbitmq;
mod resume;
mod stopping;
mod world;
