//! The separators of words.
//!
//! The rest of the counting knows only the separators of [`Mode::Ascii`]. In [`Mode::Unicode`] the
//! bytes of other white space are replaced by spaces first, so that both modes share the rest.

use shared::protocol::workload::words::Mode;

/// The separators of [`Mode::Ascii`]: 0x09 to 0x0d, and 0x20.
pub(super) const fn is_separator(byte: u8) -> bool {
    byte == b' ' || byte.wrapping_sub(0x09) < 5
}

/// Turns the pieces of a file into text in which every separator is one byte of [`is_separator`].
#[derive(Debug)]
pub(super) struct Separate {
    mode: Mode,
    text: Vec<u8>,
    /// Bytes at the end of `text` that may be the start of a separator. They become part of the
    /// next text.
    held: usize,
}

impl Separate {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode, text: Vec::new(), held: 0 }
    }

    /// The text of the next piece.
    pub(super) fn next<'a>(&'a mut self, piece: &'a [u8]) -> &'a [u8] {
        let is_plain = self.mode == Mode::Ascii || (self.held == 0 && piece.is_ascii());
        if is_plain {
            return piece;
        }
        let from = self.text.len() - self.held;
        self.text.drain(..from);
        self.text.extend_from_slice(piece);
        self.held = unfinished(&self.text);
        blank(&mut self.text);
        &self.text[..self.text.len() - self.held]
    }

    /// The text that was held back, at the end of the file.
    pub(super) fn last(&mut self) -> &[u8] {
        let held = std::mem::take(&mut self.held);
        &self.text[self.text.len() - held..]
    }
}

/// The length in bytes of a non-ASCII white-space character at the start of `text`, or 0. White
/// space is Unicode's property White_Space (Unicode 16, `PropList.txt`) in UTF-8.
fn white_space(text: &[u8]) -> usize {
    match text {
        // NEXT LINE, NO-BREAK SPACE
        [0xc2, 0x85 | 0xa0, ..] => 2,
        // OGHAM SPACE MARK; EN QUAD to HAIR SPACE, LINE and PARAGRAPH SEPARATOR, NARROW NO-BREAK
        // SPACE; MEDIUM MATHEMATICAL SPACE; IDEOGRAPHIC SPACE
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// How many bytes at the end of `text` may be the start of a non-ASCII white-space character.
fn unfinished(text: &[u8]) -> usize {
    match text {
        [.., 0xe1, 0x9a] | [.., 0xe2, 0x80 | 0x81] | [.., 0xe3, 0x80] => 2,
        [.., 0xc2 | 0xe1 | 0xe2 | 0xe3] => 1,
        _ => 0,
    }
}

/// Replaces each byte of non-ASCII white space by a space. The first byte of such a character never
/// occurs inside another character. So the search may start anywhere, and invalid UTF-8 gives the
/// same words as after `String::from_utf8_lossy`.
fn blank(text: &mut [u8]) {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            0xc2 | 0xe1..=0xe3 => {
                let length = white_space(&text[at..]);
                text[at..at + length].fill(b' ');
                at += length.max(1);
            }
            _ => at += 1,
        }
    }
}
