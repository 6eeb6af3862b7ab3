//! The checksum of a report's bytes.

use sha2::{Digest, Sha256};
use shared::protocol::id::hex;

/// SHA-256 of the bytes so far.
#[derive(Debug, Clone, Default)]
pub struct Checksum(Sha256);

impl Checksum {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in hexadecimal, as `sha256sum` prints it.
    pub fn hex(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}
