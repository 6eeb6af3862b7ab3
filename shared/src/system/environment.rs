//! Variables of the environment. An empty one is as unset, for every variable: that is how Compose, systemd and
//! shells say that there is none.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable that is to hold text holds other bytes. They are not shown: they may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name} holds bytes that are not UTF-8. Set it to text, or unset it")]
pub struct NotText {
    name: String,
}

/// The value of a variable that holds text.
///
/// # Errors
/// It is set, and its bytes are not UTF-8. To take it for unset would do something else than was asked for.
pub fn text(name: &str) -> Result<Option<String>, NotText> {
    as_text(name, bytes(name))
}

/// The value of a variable that names a file or directory, in whatever bytes.
pub fn path(name: &str) -> Option<PathBuf> {
    bytes(name).map(PathBuf::from)
}

/// Where temporary files go: the directory that `TMPDIR` names. The standard library takes an empty one for the
/// present directory.
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
