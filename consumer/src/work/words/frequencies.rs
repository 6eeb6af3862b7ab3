//! The word tables of a task, and how they are published in parts.
//!
//! A file that fails must not count, so each file has its own table, which is added to the task's
//! table when the file is done. A table that grows too large is published in parts earlier. A
//! file's parts carry its index, and the owner drops them if the file has no result. The table of a
//! file with a long word is never added to the task's: the broker may refuse the part with that
//! word, and then only this file must fail.

use shared::protocol::limits::{WORD_BYTES_MAX, WORD_SHARED_BYTES, WORDS_TABLE_BYTES};
use shared::protocol::payload::Payload;
use shared::protocol::workload::words::Check;

use super::separate::is_separator;
use super::table::Table;
use super::{Publish, ReadError};
use crate::work::{Piece, Unsent};

const TOO_LONG: &str = "a word of more than 256 KiB, too long for its frequency to be counted";
const _: () = assert!(WORD_BYTES_MAX == 256 * 1024, "the text above says so");

#[derive(Debug, Default)]
pub(super) struct Frequencies {
    /// Index of the current file.
    item: u32,
    /// Words of the current file.
    file: Table,
    /// The start of a word whose end has not been read yet.
    begun: Vec<u8>,
    /// Check of the parts that were published under the current file's index.
    file_check: Check,
    /// Words of the files that are done.
    task: Table,
    /// Check of the parts that count.
    check: Check,
}

impl Frequencies {
    /// Starts another file.
    pub(super) fn begin(&mut self, item: usize) {
        self.item = u32::try_from(item).expect("a task has far fewer items");
        self.file = Table::default();
        self.begun.clear();
        self.file_check = Check::default();
    }

    /// Takes the next bytes of the file's text.
    pub(super) fn add(&mut self, text: &[u8], publish: &mut Publish<'_>) -> Result<(), ReadError> {
        let mut pieces = text.split(|&byte| is_separator(byte));
        // The first piece continues the word in `begun`; the last may continue in the next bytes.
        let Some(last) = pieces.next_back() else { return Ok(()) };
        for piece in pieces {
            self.word(piece)?;
        }
        self.check_length(last)?;
        self.begun.extend_from_slice(last);
        if self.file.bytes() > WORDS_TABLE_BYTES {
            let item = Some(self.item);
            self.file.drain(&mut self.file_check, |part| publish(Piece { item, body: Payload::bytes(part) }))?;
        }
        Ok(())
    }

    /// Ends the file: from now on its words count.
    pub(super) fn end(&mut self, publish: &mut Publish<'_>) -> Result<(), ReadError> {
        self.word(b"")?;
        if self.file.longest() > WORD_SHARED_BYTES {
            let item = Some(self.item);
            self.file.drain(&mut self.file_check, |part| publish(Piece { item, body: Payload::bytes(part) }))?;
        }
        self.check += self.file_check;
        if self.task.is_empty() {
            std::mem::swap(&mut self.task, &mut self.file);
        } else {
            self.task.add_all(&self.file);
        }
        if self.task.bytes() > WORDS_TABLE_BYTES {
            self.task.drain(&mut self.check, |part| publish(Piece { item: None, body: Payload::bytes(part) }))?;
        }
        Ok(())
    }

    /// Publishes the rest of the task's table and returns the check of all parts that count.
    pub(super) fn finish(mut self, publish: &mut Publish<'_>) -> Result<Check, Unsent> {
        self.task.drain(&mut self.check, |part| publish(Piece { item: None, body: Payload::bytes(part) }))?;
        Ok(self.check)
    }

    /// Counts the word that ends with these bytes.
    fn word(&mut self, end: &[u8]) -> Result<(), ReadError> {
        self.check_length(end)?;
        if !self.begun.is_empty() {
            self.begun.extend_from_slice(end);
            self.file.add(&self.begun, 1);
            self.begun.clear();
        } else if !end.is_empty() {
            self.file.add(end, 1);
        }
        Ok(())
    }

    /// Fails if the word in `begun` would be too long with these bytes.
    fn check_length(&self, more: &[u8]) -> Result<(), ReadError> {
        let length = self.begun.len() + more.len();
        if length > WORD_BYTES_MAX { Err(ReadError::Refused(TOO_LONG)) } else { Ok(()) }
    }
}
