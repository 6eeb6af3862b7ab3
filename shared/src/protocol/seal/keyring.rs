//! Keys, and the file that holds them.

use std::fmt;
use std::str::FromStr;

use crate::protocol::path::{from_base64, to_base64};
use crate::system::random;

const SECRET_BYTES: usize = 32;

/// A key: its id, which travels in clear, and its secret. `Debug` shows the id alone.
#[derive(Clone)]
pub struct Key {
    id: String,
    secret: [u8; SECRET_BYTES],
}

/// Keys in the order of their file. The first key seals; every key opens. Without keys, messages
/// travel in clear.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

/// A key file cannot be read. The error never quotes its text, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    #[error("line {line} is no key: a key is an id of [A-Za-z0-9_-], a space, and 32 bytes as base64")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    #[error("two keys have the id {id}: the id says which key to open with, so each has its own")]
    Twice { id: String },
    #[error("it holds no key; make one with: packhorse key new FILE")]
    Empty,
}

impl Key {
    pub fn generate() -> Self {
        Self { id: random::token(), secret: random::secret() }
    }

    /// The key's name; not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// The key as a line of a key file.
    pub fn to_line(&self) -> String {
        format!("{} {}\n", self.id, to_base64(&self.secret))
    }

    fn from_line(line: &str) -> Option<Self> {
        let (id, secret) = line.split_once(char::is_whitespace)?;
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(is_id) {
            return None;
        }
        Some(Self { id: id.to_owned(), secret: from_base64(secret.trim())?.try_into().ok()? })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Keyring {
    /// The key that seals.
    pub(super) fn first(&self) -> Option<&Key> {
        self.keys.first()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

/// Ignores empty lines and lines that begin with `#`.
impl FromStr for Keyring {
    type Err = BadKeys;

    fn from_str(text: &str) -> Result<Self, BadKeys> {
        let mut keys: Vec<Key> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let key = Key::from_line(text).ok_or(BadKeys::Line { line })?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(BadKeys::Twice { id: key.id });
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(BadKeys::Empty) } else { Ok(Self { keys }) }
    }
}
