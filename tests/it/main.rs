//! Packhorse as a whole, in one binary: linking is dear.
//!
//! # Modules
//! - `broker`: RabbitMQ for tests, of one's own or shared
//! - `conformance`: the suite that every transport passes, over RabbitMQ
//! - `horse_rider`: riders and horses, in one process and over RabbitMQ
//! - `protocol`: the examples in docs/PROTOCOL.md are what the code sends
//! - `rabbitmq`: the transport over RabbitMQ where it meets faults
//! - `tidy`: the house rules

mod broker;
mod conformance;
mod horse_rider;
mod protocol;
mod rabbitmq;
mod tidy;
