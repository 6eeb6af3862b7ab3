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

fn beginning(hash: &[u8]) -> [u8; 16] {
    hash.first_chunk().copied().unwrap_or_default()
}

impl Digest {
    /// Of an answer with so many results, which are these bytes.
    pub(super) fn of_results(results: u32, bytes: &[u8]) -> Self {
        Self { results, hash: beginning(Sha256::digest(bytes).as_slice()) }
    }

    /// Of a whole answer.
    pub(super) fn of(answer: &Payload) -> Self {
        let hash = Sha256::new_with_prefix(answer.content_type.as_str()).chain_update("\n").chain_update(&answer.bytes);
        Self { results: 0, hash: beginning(hash.finalize().as_slice()) }
    }

    /// Whether nothing shows that the two answers differ.
    pub fn agrees(&self, other: &Self) -> bool {
        self.results != other.results || self.hash == other.hash
    }
}
