//! Words with their counts, in memory.

use hashbrown::HashMap;
use shared::protocol::limits::FREQUENCIES_BYTES;
use shared::protocol::reason::Reason;
use shared::protocol::workload::words::part;

#[derive(Debug, Default)]
pub(super) struct Sum {
    counts: HashMap<Vec<u8>, u64>,
    bytes: usize,
}

/// Bytes of memory for a word, apart from the word itself: its place in the map, and its
/// allocation.
const ENTRY_BYTES: usize = size_of::<(Vec<u8>, u64)>() * 2 + 16;

impl Sum {
    pub(super) fn add_part(&mut self, part: &[u8]) -> Result<(), Reason> {
        part::lines(part).try_for_each(|line| {
            let (count, word) = line?;
            self.add(word, count)
        })
    }

    fn add(&mut self, word: &[u8], count: u64) -> Result<(), Reason> {
        let bytes = &mut self.bytes;
        let entry = self.counts.entry_ref(word).or_insert_with(|| {
            *bytes += word.len() + ENTRY_BYTES;
            0
        });
        let too_many = || Reason::Body { detail: "a word's counts add up to more than 64 bits hold".to_owned() };
        *entry = entry.checked_add(count).ok_or_else(too_many)?;
        Ok(())
    }

    /// Whether the sum must be spilled before it takes more words.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= FREQUENCIES_BYTES
    }

    /// The words, most frequent first, then in byte order.
    pub(super) fn by_count(self) -> Vec<(Vec<u8>, u64)> {
        let mut words: Vec<_> = self.counts.into_iter().collect();
        words.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        words
    }

    /// The words in byte order.
    pub(super) fn into_words(self) -> Vec<(Vec<u8>, u64)> {
        let mut words: Vec<_> = self.counts.into_iter().collect();
        words.sort_unstable();
        words
    }
}
