//! What a file is called until it is complete, beside the one that it will replace.

/// What its name begins with.
pub const PREFIX: &str = ".packhorse-";
/// What it ends in.
pub const SUFFIX: &str = ".tmp";
/// Letters and digits between the two, drawn by lot.
pub const DRAWN: usize = 6;

/// Whether this is such a name. Somebody may have been killed who wrote it.
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
