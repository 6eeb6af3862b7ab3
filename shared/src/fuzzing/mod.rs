//! Properties that must hold for any untrusted input. Tests call them with generated inputs, fuzz
//! targets (`fuzz/`) with inputs that they find.
//!
//! Each function panics if its property does not hold.
//!
//! # Layout
//! - `text`: a message as a text that a fuzzer can change piece by piece
//! - `message`: a message that can be read is unchanged by writing and reading it again
//! - `seal`: a message that was not sealed with the key does not open
//! - `names`: names in JSON against an independent decoder

mod message;
mod names;
mod seal;
#[cfg(test)]
mod tests;
mod text;

pub use message::message;
pub use names::names;
pub use seal::seal;
