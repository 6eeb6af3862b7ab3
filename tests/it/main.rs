//! Packhorse as a whole, in one binary: linking is dear.
//!
//! # Modules
//! - `broker`: RabbitMQ for tests, of one's own or shared
//! - `conformance`: the suite that every transport passes, over RabbitMQ
//! - `rabbitmq`: the transport over RabbitMQ where it meets faults
//! - `tidy`: the house rules

mod broker;
mod conformance;
mod rabbitmq;
mod tidy;
