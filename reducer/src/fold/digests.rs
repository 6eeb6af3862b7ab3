//! What stays of an answer when it leaves the store.

use sha2::{Digest as _, Sha256};
use shared::protocol::payload::Payload;

/// A digest of an answer: the beginning of a SHA-256. Two answers are compared only if they have as
/// many results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    results: u32,
    hash: [u8; 16],
}

impl Digest {
    /// `hash` must have at least 16 bytes; others are taken as zeros.
    pub(super) fn new(results: u32, hash: &[u8]) -> Self {
        Self { results, hash: hash.first_chunk().copied().unwrap_or_default() }
    }

    pub(super) fn of(answer: &Payload) -> Self {
        let hash = Sha256::new_with_prefix(answer.content_type.as_str()).chain_update("\n").chain_update(&answer.bytes);
        Self::new(0, hash.finalize().as_slice())
    }

    /// Whether nothing shows that the two answers differ.
    pub fn agrees(&self, other: &Self) -> bool {
        self.results != other.results || self.hash == other.hash
    }
}
