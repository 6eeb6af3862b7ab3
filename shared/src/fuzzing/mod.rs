//! Properties of what comes from outside, whatever it is: tests call them with made-up inputs, fuzz
//! targets (`fuzz/`) with inputs that they find.
//!
//! Each panics when its property does not hold.
//!
//! # Layout
//! - `text`: a message as a text that a fuzzer can change piece by piece
//! - `message`: what reads is the same after it was written again
//! - `seal`: what nobody sealed does not open
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
