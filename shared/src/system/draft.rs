//! Names of draft files. A file is written under such a name, beside the file that it will replace,
//! until it is complete.

pub const PREFIX: &str = ".packhorse-";
pub const SUFFIX: &str = ".tmp";
/// Number of random letters and digits between prefix and suffix.
pub const DRAWN: usize = 6;

/// Whether this is the name of a draft. Such a file may be left over from a process that was killed
/// while writing.
pub fn is_draft(name: &[u8]) -> bool {
    let drawn = name.strip_prefix(PREFIX.as_bytes()).and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    drawn.is_some_and(|drawn| drawn.len() == DRAWN && drawn.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::is_draft;

    #[test]
    fn a_draft_is_told_from_what_a_user_might_call_so() {
        assert!(is_draft(b".packhorse-a1B2c3.tmp"));
        for name in [".packhorse-notes.tmp", ".packhorse-.tmp", "packhorse-a1b2c3.tmp", ".packhorse-a1b2c3.tmp~"] {
            assert!(!is_draft(name.as_bytes()), "{name}");
        }
    }
}
