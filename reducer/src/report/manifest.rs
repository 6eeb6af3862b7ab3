//! The text of one record: for files exactly the line that GNU `sha1sum` prints.

use crate::fold::Record;

/// Appends the record's line. A failed item has none.
///
/// For a file: digest, two spaces, name, newline; if the name holds a backslash, newline or
/// carriage return, these are escaped and the line begins with a backslash (coreutils 9.x, "md5sum
/// invocation"). Other bytes stand as they are.
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
                    Some(letter) => out.extend_from_slice(&[b'\\', letter]),
                    None => out.push(byte),
                }
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
    use shared::path::PathBytes;

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
