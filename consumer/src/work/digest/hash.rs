//! The digest algorithms.

use sha1::Digest as _;
use shared::protocol::workload::digest::Algorithm;

use super::multibuffer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1([u8; 20]),
}

impl Digest {
    /// The digest in lower-case hexadecimal.
    pub(super) fn to_hex(self) -> String {
        let Self::Sha1(bytes) = self;
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

#[derive(Debug)]
pub(super) enum Hasher {
    Sha1(sha1::Sha1),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        match self {
            Self::Sha1(hasher) => Digest::Sha1(hasher.finalize().into()),
        }
    }
}

pub(super) fn digest_each(algorithm: Algorithm, messages: &[&[u8]]) -> Vec<Digest> {
    match algorithm {
        Algorithm::Sha1 => multibuffer::sha1_each(messages).into_iter().map(Digest::Sha1).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of FIPS 180-4's companion document, and its one-million-`a` message.
    #[test]
    fn published_examples() {
        let of = |parts: &[&[u8]]| {
            let mut hasher = Hasher::new(Algorithm::Sha1);
            parts.iter().for_each(|part| hasher.update(part));
            hasher.finish().to_hex()
        };
        assert_eq!(of(&[]), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(of(&[b"a", b"bc"]), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(of(&[&[b'a'; 1000][..]; 1000]), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }
}
