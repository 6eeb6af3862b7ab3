//! What the machine gives: time, randomness, files, descriptors, threads, variables, logs.
//!
//! - [`beneath`]: opens files beneath a directory and never outside it
//! - [`clock`]: time as the engines see it
//! - [`descriptor`]: standard output and other descriptors, to write to
//! - [`draft`]: names of files that are not complete yet
//! - [`environment`]: variables: unset, empty, not text
//! - [`host`]: this machine's name
//! - [`random`]: ids and jitter
//! - [`resolve`]: paths without links
//! - [`shutdown`]: the two-step stop
//! - [`telemetry`]: logs on stderr
//! - [`threads`]: starts threads, and says what to do when there are no more

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
