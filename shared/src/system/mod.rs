//! What the machine provides: time, randomness, files, descriptors, threads, variables, logs.
//!
//! - [`beneath`]: opens files beneath a directory and never outside it
//! - [`clock`]: time for the engines
//! - [`descriptor`]: standard output and other descriptors to write to
//! - [`draft`]: names of files that are not complete yet
//! - [`environment`]: environment variables
//! - [`host`]: this machine's name
//! - [`random`]: ids and jitter
//! - [`resolve`]: paths without links
//! - [`shutdown`]: the two-step stop
//! - [`telemetry`]: logs on stderr
//! - [`threads`]: starts threads, and explains failures to start them

pub mod beneath;
pub mod clock;
pub mod descriptor;
pub mod draft;
pub mod environment;
pub mod host;
pub mod random;
pub mod resolve;
pub mod shutdown;
pub mod telemetry;
pub mod threads;
