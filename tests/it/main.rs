//! Packhorse as a whole, in one binary: linking is dear.
//!
//! # Modules
//! - `world`: a directory for each test, and the real commands as processes in it
//! - `broker`: RabbitMQ for tests, of one's own or shared
//! - `cluster`: roles as processes around a virtual host of one's own
//! - `tap`: the way to a broker, with somebody in it
//! - `conformance`: the suite that every transport passes, over RabbitMQ
//! - `rabbitmq`: the transport over RabbitMQ where it meets faults
//! - `protocol`: the examples in docs/PROTOCOL.md are what the code sends
//! - `cli`: `packhorse sha1` as its users run it, on one machine
//! - `outputs`: outputs that take nothing, and those that are open already
//! - `hostile`: trees that break other tools, and files that change under the reader
//! - `forget`: jobs that are forgotten
//! - `fuse`: files that another process serves, and changes behind its back
//! - `resume`: `--state FILE`, killed at any moment and run again
//! - `roots`: consumers whose roots are replaced, mounted late, or away
//! - `threads`: too few threads
//! - `progress`: the bar in a terminal
//! - `stopping`: signals: once and twice, and what is left behind
//! - `leases`: tasks that outlast the broker's acknowledgement time-out
//! - `needs`: tasks that need the answers of others
//! - `pipeline`: the roles over RabbitMQ, killed and joined at any time
//! - `absent`: reducers that are not there, or leave
//! - `rounds`: each kind of fault at random moments of a job, round after round
//! - `times`: how long a fault holds up what it met
//! - `poison`: items that kill whatever works on them, in isolation and over RabbitMQ
//! - `pool`: calls of a user's own worker
//! - `cancel`: jobs that are ended as they stand
//! - `dead`: tasks that failed for the last time: listed, shown, replayed
//! - `containers`: the roles as containers, killed, cut off, restarted
//! - `compose`: docker-compose up, again, scaled, down
//! - `bad_input`: what users, brokers and strangers get wrong
//! - `policies`: what an operator's policies take out of queues
//! - `sizes`: a broker that takes smaller messages than roles send
//! - `variables`: URLs of brokers, and variables that are empty or no text
//! - `tls`: `amqps://` to a real broker, and every way in which it fails
//! - `sealed`: messages that are encrypted: what the wire shows, and who acts on what
//! - `secrets`: passwords and keys in logs, errors and process lists
//! - `operator`: definitions, users with least rights
//! - `doctor`: seeded faults, and the one finding that each leads to
//! - `writers`: two reducers of one name or one output directory, and reports that cannot be written
//! - `readiness`: heartbeats, and who sees that there are none
//! - `foreign`: the consumer in Python of docs/PROTOCOL.md takes part in jobs
//! - `horse_rider`: riders and horses, in one process and over RabbitMQ
//! - `words`: `packhorse words` and `producer words`, against wc and awk
//! - `simulation`: the engines in virtual time, under seeded faults
//! - `readme`: the examples in README.md and docs/guide print what they say
//! - `recorded`: what thirty jobs print is what they printed before
//! - `packages`: what they hold, and the oldest Rust that builds them
//! - `manual`: completions complete, and manual pages are rendered
//! - `tidy`: the house rules

mod absent;
mod bad_input;
mod broker;
mod cancel;
/// Of the example: its own tests run here, and `horse_rider` drives it without a terminal.
#[path = "../../examples/horse_rider/caravan/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the example uses the rest of it")]
mod caravan;
mod changed;
mod cli;
mod cluster;
mod compose;
mod conformance;
mod containers;
mod copies;
mod dead;
mod doctor;
mod foreign;
mod forget;
mod fuse;
mod horse_rider;
mod hostile;
mod leases;
mod manual;
mod needs;
mod openings;
mod operator;
mod outputs;
mod packages;
mod pipeline;
mod poison;
mod policies;
mod pool;
mod progress;
mod protocol;
mod rabbitmq;
mod readiness;
mod readme;
mod recorded;
mod resume;
mod roots;
mod rounds;
mod sealed;
mod secrets;
mod simulation;
mod sizes;
mod stopping;
mod tap;
mod threads;
mod tidy;
mod times;
mod tls;
mod variables;
mod words;
mod world;
mod writers;
