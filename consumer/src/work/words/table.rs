//! How often each word occurs.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use shared::protocol::limits::PART_BYTES;
use shared::protocol::workload::words::{Check, part};

/// A word's place in [`Table::words`], and its count.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    len: u32,
    count: u64,
}

impl Entry {
    fn word(self, words: &[u8]) -> &[u8] {
        &words[self.start as usize..][..self.len as usize]
    }
}

/// Words with their counts. All words lie in one byte vector, so a word costs its own bytes and one
/// entry.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: HashTable<Entry>,
    words: Vec<u8>,
    longest: usize,
    hasher: DefaultHashBuilder,
}

impl Table {
    /// Adds occurrences of a word. The table must hold less than 4 GiB of words: `Frequencies`
    /// empties it at [`shared::protocol::limits::WORDS_TABLE_BYTES`].
    pub(super) fn add(&mut self, word: &[u8], count: u64) {
        let hash = self.hasher.hash_one(word);
        if let Some(entry) = self.entries.find_mut(hash, |entry| entry.word(&self.words) == word) {
            entry.count += count;
            return;
        }
        let start = u32::try_from(self.words.len()).expect("a table is emptied long before");
        let len = u32::try_from(word.len()).expect("a word has a limit far below");
        self.words.extend_from_slice(word);
        self.longest = self.longest.max(word.len());
        let rehash = |entry: &Entry| self.hasher.hash_one(entry.word(&self.words));
        self.entries.insert_unique(hash, Entry { start, len, count }, rehash);
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for entry in &other.entries {
            self.add(entry.word(&other.words), entry.count);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Length of the longest word, bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Memory that the table takes, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() + self.entries.capacity() * (size_of::<Entry>() + 1)
    }

    /// Empties the table into parts, with the words in byte order, and adds the words to the check.
    pub(super) fn drain<E>(
        &mut self,
        check: &mut Check,
        mut take: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { entries, words, .. } = std::mem::take(self);
        let mut sorted: Vec<Entry> = entries.into_iter().collect();
        sorted.sort_unstable_by_key(|entry| entry.word(&words));
        let mut text = Vec::new();
        for entry in sorted {
            let word = entry.word(&words);
            check.add(word, entry.count);
            part::write(entry.count, word, &mut text);
            if text.len() >= PART_BYTES {
                take(std::mem::take(&mut text))?;
            }
        }
        if text.is_empty() { Ok(()) } else { take(text) }
    }
}
