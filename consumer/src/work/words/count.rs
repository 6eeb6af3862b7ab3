//! Counts lines, words, characters and bytes.
//!
//! Plain loops over short blocks: the compiler vectorizes them (measured in docs/BENCHMARKS.md),
//! and sums in single bytes cannot overflow within a block.

use shared::protocol::workload::words::Counts;

use super::separate::is_separator;

/// Bytes of a block: below 256, so that a byte holds any sum over the block, and a multiple of the
/// widest vector's size.
const BLOCK: usize = 192;

/// The counts of a file so far.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) counts: Counts,
    /// Whether the last byte of the text so far is part of a word.
    inside: bool,
}

impl Counter {
    /// Counts lines, characters and bytes in the next bytes of the file.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.counts.bytes += bytes.len() as u64;
        for block in bytes.chunks(BLOCK) {
            self.counts.lines += sum(block.iter().map(|&byte| byte == b'\n'));
            self.counts.characters += sum(block.iter().map(|&byte| byte & 0xc0 != 0x80));
        }
    }

    /// Counts words in the next bytes of the file's text, in which every separator is one byte: see
    /// [`super::separate`]. A word begins after a separator or at the start of the file.
    pub(super) fn words(&mut self, text: &[u8]) {
        let (Some(&first), Some(&last)) = (text.first(), text.last()) else { return };
        self.counts.words += u64::from(!self.inside && !is_separator(first));
        self.inside = !is_separator(last);
        let pairs = text[1..].chunks(BLOCK).zip(text.chunks(BLOCK));
        for (block, before) in pairs {
            let begins = |(&byte, &before): (&u8, &u8)| !is_separator(byte) & is_separator(before);
            self.counts.words += sum(block.iter().zip(before).map(begins));
        }
    }
}

fn sum(block: impl Iterator<Item = bool>) -> u64 {
    u64::from(block.map(u8::from).sum::<u8>())
}
