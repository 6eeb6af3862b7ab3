//! Packhorse carries work to many machines and brings back exactly one answer.
//!
//! This crate is the facade. It offers the four libraries under one name, runs a whole job in one
//! process ([`run`]), has pools of users' own workers ([`pool`]), and holds the command line ([`cli`]).
//!
//! - [`shared`]: messages, contracts, topology, transports
//! - [`producer`]: plans a job
//! - [`consumer`]: does its tasks
//! - [`reducer`]: owns it, counts, reports

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod cli;
pub mod pool;
pub mod run;

pub use {consumer, producer, reducer, shared};
