//! The property of report lines: independent decoders read them back.

use shared::protocol::path::PathBytes;
use shared::protocol::workload::words::Counts;

use crate::fold::Record;
use crate::report::line;

/// Any name fits on one line of a manifest, and reads back as `sha1sum -c` parses it. It also fits
/// on one line of counts, where a name with a newline reads back as a shell parses it.
pub fn manifest(input: &[u8]) {
    let digest: String = (0..40).map(|at| char::from(b"0123456789abcdef"[(input.len() + at) % 16])).collect();
    let name = PathBytes(input.to_vec());
    let mut text = Vec::new();
    line(&Record::File { name: name.clone(), digest: digest.clone(), size: 0 }, &mut text);
    assert_eq!(checked(one_line(&text)), Some((digest.as_bytes(), input.to_vec())));
    text.clear();
    let counts = Counts { lines: 1, words: 2, characters: 3, bytes: 4 };
    line(&Record::Counted { name: Some(name), counts, characters: true, width: 2 }, &mut text);
    let shown = one_line(&text).strip_prefix(b" 1  2  3  4 ").expect("four counts");
    if input.contains(&b'\n') {
        assert_eq!(unquoted(shown).as_deref(), Some(input));
    } else {
        assert_eq!(shown, input);
    }
}

fn one_line(text: &[u8]) -> &[u8] {
    let line = text.strip_suffix(b"\n").expect("it ends its line");
    assert!(!line.contains(&b'\n'), "it is one line");
    line
}

/// Parses a line as `sha1sum -c` does: a backslash if the name is escaped, digits, a space, a space
/// or an asterisk, the name.
fn checked(line: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let (is_escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |line| (true, line));
    let (digest, name) = line.split_at_checked(40)?;
    let name = name.strip_prefix(b"  ").or_else(|| name.strip_prefix(b" *"))?;
    if !is_escaped {
        return Some((digest, name.to_vec()));
    }
    let (mut plain, mut bytes) = (Vec::new(), name.iter());
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some((digest, plain))
}

/// Parses a word as a shell does: `'...'`, `$'...'` and `\'` one after the other.
fn unquoted(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    while !text.is_empty() {
        if let Some(rest) = text.strip_prefix(b"\\'") {
            plain.push(b'\'');
            text = rest;
        } else if let Some(rest) = text.strip_prefix(b"$'") {
            text = escaped(rest, &mut plain)?;
        } else {
            let rest = text.strip_prefix(b"'")?;
            let end = rest.iter().position(|&byte| byte == b'\'')?;
            plain.extend_from_slice(&rest[..end]);
            text = &rest[end + 1..];
        }
    }
    Some(plain)
}

/// Parses the inside of `$'...'`; returns the text after the closing quote.
fn escaped<'a>(mut text: &'a [u8], plain: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (&byte, rest) = text.split_first()?;
        text = rest;
        match byte {
            b'\'' => return Some(text),
            b'\\' => {}
            _ => {
                plain.push(byte);
                continue;
            }
        }
        let (&letter, rest) = text.split_first()?;
        if letter.is_ascii_digit() {
            let (digits, rest) = text.split_at_checked(3)?;
            plain.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?);
            text = rest;
        } else {
            let at = b"abtnvfr".iter().position(|&known| known == letter)?;
            plain.push(b"\x07\x08\t\n\x0b\x0c\r"[at]);
            text = rest;
        }
    }
}
