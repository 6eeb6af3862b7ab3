//! The property of a file's words and the parts that hold them.

use std::collections::BTreeMap;

use shared::protocol::limits::WORD_BYTES_MAX;
use shared::protocol::workload::words::{Check, Mode, part};

use super::frequencies::Frequencies;
use super::separate::Separate;

/// Counts a text that is read in two pieces, in the mode that its first byte chooses. The parts
/// hold each word as often as a plain split of the text does, and the check covers exactly these
/// words. Returns the parts and the words.
pub fn words(input: &[u8]) -> (Vec<Vec<u8>>, BTreeMap<Vec<u8>, u64>) {
    let (first, text) = input.split_first().unwrap_or((&0, b""));
    let text = &text[..text.len().min(WORD_BYTES_MAX)];
    let mode = if first & 1 == 0 { Mode::Ascii } else { Mode::Unicode };
    let mut parts = Vec::new();
    let mut publish = |piece: crate::work::Piece| {
        parts.push(piece.body.to_vec());
        Ok(())
    };
    let (mut frequencies, mut separate) = (Frequencies::default(), Separate::new(mode));
    frequencies.begin(0);
    let (before, after) = text.split_at(usize::from(*first).min(text.len()));
    for piece in [before, after] {
        frequencies.add(separate.next(piece), &mut publish).expect("no word is too long");
    }
    frequencies.add(separate.last(), &mut publish).expect("no word is too long");
    frequencies.end(&mut publish).expect("nobody cancels");
    let check = frequencies.finish(&mut publish).expect("nobody cancels");
    let (expected, mut exact) = (split(mode, text), Check::default());
    expected.iter().for_each(|(word, count)| exact.add(word, *count));
    assert_eq!(check, exact);
    let mut held = BTreeMap::new();
    for line in parts.iter().flat_map(|part| part::lines(part)) {
        let (count, word) = line.expect("our own line");
        *held.entry(word.to_vec()).or_default() += count;
    }
    assert_eq!(held, expected);
    (parts, expected)
}

/// The oracle: splits the whole text at what the standard library considers white space.
fn split(mode: Mode, text: &[u8]) -> BTreeMap<Vec<u8>, u64> {
    let is_ascii = |byte: &u8| matches!(byte, 0x09..=0x0d | b' ');
    let mut blanked = Vec::new();
    match mode {
        Mode::Ascii => blanked.extend_from_slice(text),
        Mode::Unicode => {
            for chunk in text.utf8_chunks() {
                let valid = chunk.valid().replace(char::is_whitespace, " ");
                blanked.extend_from_slice(valid.as_bytes());
                blanked.extend_from_slice(chunk.invalid());
            }
        }
    }
    let mut words = BTreeMap::new();
    for word in blanked.split(is_ascii).filter(|word| !word.is_empty()) {
        *words.entry(word.to_vec()).or_default() += 1;
    }
    words
}
