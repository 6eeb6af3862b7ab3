//! Packhorse as a whole, in one binary: linking is dear.
//!
//! # Modules
//! - `world`: a directory for each test, and the real commands as processes in it
//! - `broker`: RabbitMQ for tests, of one's own or shared
//! - `cluster`: roles as processes around a virtual host of one's own
//! - `conformance`: the suite that every transport passes, over RabbitMQ
//! - `rabbitmq`: the transport over RabbitMQ where it meets faults
//! - `protocol`: the examples in docs/PROTOCOL.md are what the code sends
//! - `cli`: `packhorse sha1` as its users run it, on one machine
//! - `hostile`: trees that break other tools, and files that change under the reader
//! - `resume`: `--state FILE`, killed at any moment and run again
//! - `stopping`: signals: once and twice, and what is left behind
//! - `pipeline`: the roles over RabbitMQ, killed and joined at any time
//! - `containers`: the roles as containers, killed, cut off, restarted
//! - `compose`: docker-compose up, again, scaled, down
//! - `bad_input`: what users, brokers and strangers get wrong
//! - `operator`: definitions, users with least rights, signs of life
//! - `horse_rider`: riders and horses, in one process and over RabbitMQ
//! - `words`: `packhorse words` and `producer words`, against wc and awk
//! - `readme`: the examples in README.md print what it says
//! - `packages`: what they hold, and the oldest Rust that builds them
//! - `manual`: completions complete, and manual pages are rendered
//! - `tidy`: the house rules

mod bad_input;
mod broker;
mod cli;
mod cluster;
mod compose;
mod conformance;
mod containers;
mod horse_rider;
mod hostile;
mod manual;
mod operator;
mod packages;
mod pipeline;
mod protocol;
mod rabbitmq;
mod readme;
mod resume;
mod stopping;
mod tidy;
mod words;
mod world;
