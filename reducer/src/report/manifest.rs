//! The text of one record: exactly the line that GNU `sha1sum` or `wc` prints.

use super::quote;
use crate::fold::Record;

/// Appends the record's line. A failed item has no line.
///
/// For a digest: digest, two spaces, name, newline. If the name holds a backslash, newline or
/// carriage return, these are escaped and the line begins with a backslash (coreutils 9.x, "md5sum
/// invocation"). Other bytes stand as they are.
///
/// For counts: lines, words, characters if they are wanted, and bytes, each padded to the record's
/// width and followed by a space; then the name, or `total`.
pub fn line(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::File { name, digest, .. } => {
            let name = name.as_bytes();
            if name.iter().any(|&byte| escape(byte).is_some()) {
                out.push(b'\\');
            }
            out.extend_from_slice(digest.as_bytes());
            out.extend_from_slice(b"  ");
            for &byte in name {
                match escape(byte) {
                    Some(dead_letter) => out.extend_from_slice(&[b'\\', dead_letter]),
                    None => out.push(byte),
                }
            }
            out.push(b'\n');
        }
        Record::Counted { name, counts, characters, width } => {
            let characters = characters.then_some(counts.characters);
            let numbers = [Some(counts.lines), Some(counts.words), characters, Some(counts.bytes)];
            for number in numbers.into_iter().flatten() {
                out.extend_from_slice(format!("{number:>width$} ").as_bytes());
            }
            match name {
                Some(name) => quote::name(name.as_bytes(), out),
                None => out.extend_from_slice(b"total"),
            }
            out.push(b'\n');
        }
        Record::Whip { number, steps } => out.extend_from_slice(format!("{number}\t{steps}\n").as_bytes()),
        Record::Failed { .. } => {}
    }
}

const fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::protocol::path::PathBytes;

    fn text(name: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let digest = "da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned();
        line(&Record::File { name: PathBytes(name.to_vec()), digest, size: 0 }, &mut out);
        out
    }

    #[test]
    fn names_are_escaped_as_sha1sum_does() {
        assert_eq!(text(b"a b\tc\xff"), b"da39a3ee5e6b4b0d3255bfef95601890afd80709  a b\tc\xff\n");
        assert_eq!(text(b"a\nb\\c\rd"), b"\\da39a3ee5e6b4b0d3255bfef95601890afd80709  a\\nb\\\\c\\rd\n");
    }
}
