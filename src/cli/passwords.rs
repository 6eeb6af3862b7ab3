//! Passwords of the broker's users: given, kept, or made once.
//!
//! With `--urls DIR` a user's password and URL are kept in the directory `DIR/USER`, if it exists,
//! so that each can be given to one role alone. A password from the environment replaces the one
//! that is kept.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use shared::system::random;

use super::{Failure, variable};

/// The directory for passwords and URLs, and the broker's address in these URLs.
pub(super) struct Kept<'a> {
    pub(super) directory: &'a Path,
    /// `HOST` or `HOST:PORT`.
    pub(super) host: &'a str,
    pub(super) vhost: &'a str,
}

/// A user's password; `None` for a user who cannot log in yet.
pub(super) fn password(user: &str, kept: Option<&Kept<'_>>) -> Result<Option<String>, Failure> {
    let given = given(user)?;
    let Some((kept, directory)) = kept.and_then(|kept| Some((kept, kept.directory_of(user)?))) else {
        return Ok(given);
    };
    let file = directory.join("password");
    let earlier = match fs::read_to_string(&file) {
        Ok(password) => Some(password).filter(|password| !password.is_empty()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::usage(format!("cannot read {}: {error}", file.display()))),
    };
    let made = || format!("{}{}", random::token(), random::token());
    let password = given.or(earlier).unwrap_or_else(made);
    let url = format!("amqp://{}:{}@{}/{}", encode(user), encode(&password), kept.host, encode(kept.vhost));
    for (name, text) in [("password", &password), ("url", &url)] {
        let path = directory.join(name);
        replace(&path, text).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(Some(password))
}

impl Kept<'_> {
    fn directory_of(&self, user: &str) -> Option<PathBuf> {
        Some(self.directory.join(user)).filter(|directory| directory.is_dir())
    }
}

/// The password from the environment, or from a file that the environment names.
fn given(user: &str) -> Result<Option<String>, Failure> {
    let capital = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name = format!("PACKHORSE_PASSWORD_{}", user.chars().map(capital).collect::<String>());
    let password = variable::text_or_file(&name)?.map(|given| match given.file {
        Some(_) => given.text.trim_end_matches(['\r', '\n']).to_owned(),
        None => given.text,
    });
    Ok(password.filter(|password| !password.is_empty()))
}

/// Percent-encodes (RFC 3986) all but ASCII letters and digits: other characters might end a part
/// of a URL.
fn encode(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// Writes a file that its owner alone can read, whole or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_made_once_and_no_character_of_it_ends_its_url() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("nobody-gave-one")).expect("made");
        let kept = Kept { directory: directory.path(), host: "broker:1", vhost: "/" };
        let password = |user| password(user, Some(&kept)).expect("it can be kept");
        let first = password("nobody-gave-one").expect("it is made");
        assert_eq!((password("nobody-gave-one"), first.len()), (Some(first.clone()), 32));
        let file = directory.path().join("nobody-gave-one/url");
        let url = format!("amqp://nobody%2Dgave%2Done:{first}@broker:1/%2F");
        assert_eq!(fs::read_to_string(&file).expect("a URL"), url);
        assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(password("has-no-directory"), None);
        // A password that was given once is kept when it is no longer given.
        fs::write(directory.path().join("nobody-gave-one/password"), "s#s/w@\u{e9}").expect("written");
        assert_eq!(password("nobody-gave-one").as_deref(), Some("s#s/w@\u{e9}"));
        let url = fs::read_to_string(file).expect("a URL");
        assert!(url.contains(":s%23s%2Fw%40%C3%A9@broker:1/"), "{url}");
    }
}
