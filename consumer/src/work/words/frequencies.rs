//! The tables of a task, and how they leave in parts.
//!
//! A file that fails in the end must not have counted, so each file has a table of its own, which
//! joins the task's when the file is done. A table that grows too large leaves in parts before: that
//! of a file under its number, and the owner drops such parts if the file has no result. The table of a
//! file with a long word never joins the task's: a broker may refuse the part with that word, and then
//! the file is to fail alone.

use shared::protocol::limits::{WORD_BYTES_MAX, WORD_SHARED_BYTES, WORDS_TABLE_BYTES};
use shared::protocol::workload::words::Check;

use super::separate::is_separator;
use super::table::Table;
use super::{Publish, ReadError};
use crate::work::{Piece, Unsent};

const TOO_LONG: &str = "a word of more than 256 KiB, too long for its frequency to be counted";
const _: () = assert!(WORD_BYTES_MAX == 256 * 1024, "the text above says so");

/// The words of a task.
#[derive(Debug, Default)]
pub(super) struct Frequencies {
    /// The present file.
    item: u32,
    /// Its words.
    file: Table,
    /// The beginning of a word whose end has not come yet.
    begun: Vec<u8>,
    /// Of the parts that left under the file's number.
    file_check: Check,
    /// Of the files that are done.
    task: Table,
    check: Check,
}

impl Frequencies {
    /// The text of another file begins.
    pub(super) fn begin(&mut self, item: usize) {
        self.item = u32::try_from(item).expect("a task has far fewer items");
        self.file = Table::default();
        self.begun.clear();
        self.file_check = Check::default();
    }

    /// Its next bytes.
    pub(super) fn add(&mut self, text: &[u8], publish: &mut Publish<'_>) -> Result<(), ReadError> {
        let mut pieces = text.split(|&byte| is_separator(byte));
        // The first piece goes on with what was begun, the last one may go on in the next bytes.
        let Some(last) = pieces.next_back() else { return Ok(()) };
        for piece in pieces {
            self.word(piece)?;
        }
        self.check_length(last)?;
        self.begun.extend_from_slice(last);
        if self.file.bytes() > WORDS_TABLE_BYTES {
            let item = Some(self.item);
            self.file.drain(&mut self.file_check, |body| publish(Piece { item, body }))?;
        }
        Ok(())
    }

    /// Its end: now it counts.
    pub(super) fn end(&mut self, publish: &mut Publish<'_>) -> Result<(), ReadError> {
        self.word(b"")?;
        if self.file.longest() > WORD_SHARED_BYTES {
            let item = Some(self.item);
            self.file.drain(&mut self.file_check, |body| publish(Piece { item, body }))?;
        }
        self.check += self.file_check;
        if self.task.is_empty() {
            std::mem::swap(&mut self.task, &mut self.file);
        } else {
            self.task.add_all(&self.file);
        }
        if self.task.bytes() > WORDS_TABLE_BYTES {
            self.task.drain(&mut self.check, |body| publish(Piece { item: None, body }))?;
        }
        Ok(())
    }

    /// What is left of the task, and the check of all that counts.
    pub(super) fn finish(mut self, publish: &mut Publish<'_>) -> Result<Check, Unsent> {
        self.task.drain(&mut self.check, |body| publish(Piece { item: None, body }))?;
        Ok(self.check)
    }

    /// A word ends with these bytes.
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

    /// Whether what was begun may go on with these bytes.
    fn check_length(&self, more: &[u8]) -> Result<(), ReadError> {
        let length = self.begun.len() + more.len();
        if length > WORD_BYTES_MAX { Err(ReadError::Refused(TOO_LONG)) } else { Ok(()) }
    }
}
