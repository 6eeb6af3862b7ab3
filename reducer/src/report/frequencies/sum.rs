//! Words with their counts, in memory.

use hashbrown::HashMap;
use shared::limits::FREQUENCIES_BYTES;

/// A sum over words.
#[derive(Debug, Default)]
pub(super) struct Sum {
    counts: HashMap<Vec<u8>, u64>,
    bytes: usize,
}

/// What a word costs beside its own bytes: its place in the map, and its allocation.
const ENTRY_BYTES: usize = size_of::<(Vec<u8>, u64)>() * 2 + 16;

impl Sum {
    pub(super) fn add(&mut self, word: &[u8], count: u64) {
        let bytes = &mut self.bytes;
        let entry = self.counts.entry_ref(word).or_insert_with(|| {
            *bytes += word.len() + ENTRY_BYTES;
            0
        });
        *entry += count;
    }

    /// Whether it has to be emptied before more comes.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= FREQUENCIES_BYTES
    }

    /// The most frequent first, then in byte order.
    pub(super) fn by_count(self) -> Vec<(Vec<u8>, u64)> {
        let mut words: Vec<_> = self.counts.into_iter().collect();
        words.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        words
    }

    /// In byte order.
    pub(super) fn into_words(self) -> Vec<(Vec<u8>, u64)> {
        let mut words: Vec<_> = self.counts.into_iter().collect();
        words.sort_unstable();
        words
    }
}
