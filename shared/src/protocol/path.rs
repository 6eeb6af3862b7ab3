//! File names as bytes, and their form in JSON.
//!
//! A name is a JSON string under `path` when it is UTF-8 and base64 under `path_base64` when it is
//! not, so that every name round-trips exactly and ordinary ones stay readable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A file name or a path, as the bytes that the file system holds.
///
/// In JSON it is an object with exactly one of the keys `path` and `path_base64`; flatten it into
/// the object that it describes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathBytes(pub Vec<u8>);

impl PathBytes {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Text for messages to people: invalid UTF-8 is replaced and control characters are escaped,
    /// so one name stays on one line.
    pub fn display(&self) -> String {
        printable(&String::from_utf8_lossy(&self.0))
    }
}

/// Makes untrusted text safe for one line of a terminal. With its control characters escaped it
/// cannot forge a line or move the cursor.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default())
        } else {
            line.push(c)
        }
        line
    })
}

impl From<&[u8]> for PathBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// A name in JSON that does not have exactly one valid key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("exactly one of the keys path and path_base64 is needed")]
    Keys,
    #[error("path_base64: {0}")]
    Base64(String),
}

impl PathBytes {
    /// Reads the values of the keys `path` and `path_base64`.
    pub(crate) fn from_keys(path: Option<String>, path_base64: Option<String>) -> Result<Self, InvalidName> {
        match (path, path_base64) {
            (Some(text), None) => Ok(Self(text.into_bytes())),
            (None, Some(text)) => STANDARD.decode(text).map(Self).map_err(|e| InvalidName::Base64(e.to_string())),
            _ => Err(InvalidName::Keys),
        }
    }
}

#[derive(Deserialize)]
struct Wire {
    path: Option<String>,
    path_base64: Option<String>,
}

impl Serialize for PathBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        match std::str::from_utf8(&self.0) {
            Ok(text) => object.serialize_entry("path", text)?,
            Err(_) => object.serialize_entry("path_base64", &STANDARD.encode(&self.0))?,
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for PathBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Self::from_keys(wire.path, wire.path_base64).map_err(serde::de::Error::custom)
    }
}

/// Base64 (RFC 4648, with padding).
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plain_name_is_readable_and_an_odd_one_is_base64() {
        assert_eq!(serde_json::to_string(&PathBytes(b"a/b".to_vec())).expect("json"), r#"{"path":"a/b"}"#);
        assert_eq!(serde_json::to_string(&PathBytes(vec![0xff])).expect("json"), r#"{"path_base64":"/w=="}"#);
    }

    #[test]
    fn both_keys_or_none_are_refused() {
        for bad in ["{}", r#"{"path":"a","path_base64":"/w=="}"#, r#"{"path_base64":"!"}"#] {
            assert!(serde_json::from_str::<PathBytes>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn display_keeps_one_name_on_one_line() {
        assert_eq!(PathBytes(b"a\nb\x1b[31m\xff".to_vec()).display(), "a\\nb\\u{1b}[31m\u{fffd}");
    }

    proptest! {
        #[test]
        fn every_name_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let json = serde_json::to_vec(&PathBytes(bytes.clone())).expect("json");
            prop_assert_eq!(serde_json::from_slice::<PathBytes>(&json).expect("json").0, bytes);
        }
    }
}
