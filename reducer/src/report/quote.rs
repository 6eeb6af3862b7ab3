//! File names as GNU `wc` prints them: unchanged, except that a name with a newline is quoted for a
//! shell.

/// Appends a name. A name with a newline is quoted for a shell, with `$'...'` around the bytes that
/// are not printable UTF-8 (coreutils 9.x, `--quoting-style=shell-escape-always`).
pub(super) fn name(name: &[u8], out: &mut Vec<u8>) {
    if name.contains(&b'\n') {
        quoted(name, out);
    } else {
        out.extend_from_slice(name);
    }
}

fn quoted(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    let mut escaping = false;
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\'' {
                out.extend_from_slice(b"'\\''");
                escaping = false;
                continue;
            }
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            turn(&mut escaping, character.is_control(), out);
            if escaping {
                bytes.iter().for_each(|&byte| escape(byte, out));
            } else {
                out.extend_from_slice(bytes);
            }
        }
        if !chunk.invalid().is_empty() {
            turn(&mut escaping, true, out);
            chunk.invalid().iter().for_each(|&byte| escape(byte, out));
        }
    }
    out.push(b'\'');
}

/// Switches between plain quotes and `$'...'`.
fn turn(escaping: &mut bool, wanted: bool, out: &mut Vec<u8>) {
    if wanted != *escaping {
        out.extend_from_slice(if wanted { b"'$'" } else { b"''" });
        *escaping = wanted;
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    out.push(b'\\');
    match byte {
        0x07 => out.push(b'a'),
        0x08 => out.push(b'b'),
        b'\t' => out.push(b't'),
        b'\n' => out.push(b'n'),
        0x0b => out.push(b'v'),
        0x0c => out.push(b'f'),
        b'\r' => out.push(b'r'),
        _ => out.extend_from_slice(format!("{byte:03o}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    /// The expected text is what coreutils 9.1 prints in the locale C.UTF-8.
    #[test]
    fn names_are_as_wc_prints_them() {
        let of = |name: &[u8]| {
            let mut out = Vec::new();
            super::name(name, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(of(b"a b'c$"), "a b'c$");
        for (name, expected) in [
            (&b"a\nb"[..], r"'a'$'\n''b'"),
            (b"\n", r"''$'\n'"),
            (b"\nx", r"''$'\n''x'"),
            (b"it's\nx", r"'it'\''s'$'\n''x'"),
            (b"a\n'", r"'a'$'\n'\'''"),
            (b"tab\t\nx", r"'tab'$'\t\n''x'"),
            (b"\xff\xfe\n\x80z", r"''$'\377\376\n\200''z'"),
            ("\u{e9}\n".as_bytes(), "'\u{e9}'$'\\n'"),
            (b"a\n\x01b", r"'a'$'\n\001''b'"),
            (b"\\\n", r"'\'$'\n'"),
        ] {
            assert_eq!(of(name), expected, "{name:?}");
        }
    }
}
