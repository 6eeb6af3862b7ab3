//! Packhorse as a whole, in one binary: linking is dear.
//!
//! # Modules
//! - `broker`: RabbitMQ for tests, of one's own or shared
//! - `rabbitmq`: the transport over RabbitMQ where it meets faults

mod broker;
mod rabbitmq;
