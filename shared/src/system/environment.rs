//! Environment variables. For every variable, empty means unset: Compose, systemd and shells set an
//! empty value where there is none.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable that should hold text is not UTF-8. Its bytes are not shown, because they may be a
/// password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name} holds bytes that are not UTF-8. Set it to text, or unset it")]
pub struct NotText {
    name: String,
}

/// The value of a variable that holds text.
///
/// # Errors
/// The variable is set and is not UTF-8. Treating it as unset would ignore what the user asked for.
pub fn text(name: &str) -> Result<Option<String>, NotText> {
    as_text(name, bytes(name))
}

/// The value of a variable that names a file or directory; any bytes are allowed.
pub fn path(name: &str) -> Option<PathBuf> {
    bytes(name).map(PathBuf::from)
}

/// The directory for temporary files, which `TMPDIR` sets. The standard library would take an empty
/// `TMPDIR` for the current directory.
pub fn temporary() -> PathBuf {
    path("TMPDIR").unwrap_or_else(|| if cfg!(unix) { PathBuf::from("/tmp") } else { std::env::temp_dir() })
}

fn bytes(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn as_text(name: &str, value: Option<OsString>) -> Result<Option<String>, NotText> {
    value.map(OsString::into_string).transpose().map_err(|_| NotText { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_an_error_that_does_not_show_them() {
        use std::os::unix::ffi::OsStringExt;
        let bytes = OsString::from_vec(b"amqp://u:s3cret\xff@h".to_vec());
        let error = as_text("PACKHORSE_BROKER", Some(bytes)).expect_err("no text").to_string();
        assert!(error.contains("PACKHORSE_BROKER") && !error.contains("s3cret"), "{error}");
        assert_eq!(as_text("X", Some("t".into())), Ok(Some("t".to_owned())));
        assert_eq!(as_text("X", None), Ok(None));
    }
}
