//! Bytes with their content type: the body of a planned task and of a task, an answer, a part.
//!
//! Only the workload reads them. Plans, messages and stores carry them as they are.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What bytes are: a media type, such as `application/json`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentType(Cow<'static, str>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a content type: 1 to {} printable ASCII characters, such as application/json",
    ContentType::MAX
)]
pub struct InvalidContentType {
    /// The start of the text.
    text: String,
}

impl ContentType {
    pub const JSON: Self = Self(Cow::Borrowed("application/json"));
    /// Bytes of no stated kind.
    pub const BYTES: Self = Self(Cow::Borrowed("application/octet-stream"));
    pub const MESSAGE_PACK: Self = Self(Cow::Borrowed("application/msgpack"));
    /// A pack of calls: [`call::Pack`](crate::protocol::workload::call::Pack).
    pub const CALLS: Self = Self(Cow::Borrowed("application/vnd.packhorse.calls"));
    /// Results of calls: [`call::Results`](crate::protocol::workload::call::Results).
    pub const RESULTS: Self = Self(Cow::Borrowed("application/vnd.packhorse.results"));

    /// Those that need no memory of their own.
    const KNOWN: [Self; 5] = [Self::JSON, Self::BYTES, Self::MESSAGE_PACK, Self::CALLS, Self::RESULTS];

    /// Characters, at most. AMQP's own limit for the property is 255.
    pub const MAX: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the property of a message. Without it the bytes are of no stated kind, as in HTTP.
    pub fn of_property(text: &str) -> Result<Self, InvalidContentType> {
        if text.is_empty() { Ok(Self::BYTES) } else { text.parse() }
    }
}

impl FromStr for ContentType {
    type Err = InvalidContentType;
    fn from_str(text: &str) -> Result<Self, InvalidContentType> {
        if let Some(known) = Self::KNOWN.into_iter().find(|known| known.as_str() == text) {
            return Ok(known);
        }
        let is_valid = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let invalid = || InvalidContentType { text: text.chars().take(80).collect() };
        is_valid.then(|| Self(Cow::Owned(text.to_owned()))).ok_or_else(invalid)
    }
}

impl TryFrom<String> for ContentType {
    type Error = InvalidContentType;
    fn try_from(text: String) -> Result<Self, InvalidContentType> {
        text.parse()
    }
}

impl From<ContentType> for String {
    fn from(content_type: ContentType) -> Self {
        content_type.0.into_owned()
    }
}

impl From<ContentType> for Cow<'static, str> {
    fn from(content_type: ContentType) -> Self {
        content_type.0
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Bytes with their content type. Within JSON the bytes are base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    pub content_type: ContentType,
    #[serde(rename = "base64", with = "in_json")]
    pub bytes: Bytes,
}

/// Bytes as base64 with padding (RFC 4648, section 4).
mod in_json {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
    }
}

impl Payload {
    /// `bytes` must be JSON.
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self { content_type: ContentType::JSON, bytes: bytes.into() }
    }

    /// Serializes a value as JSON.
    ///
    /// # Panics
    /// For values that JSON cannot hold: maps whose keys are no texts. No contract has any.
    pub fn of(value: &impl Serialize) -> Self {
        Self::json(serde_json::to_vec(value).expect("contracts have text keys and serialize without I/O"))
    }

    /// Bytes of no stated kind.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self { content_type: ContentType::BYTES, bytes: bytes.into() }
    }
}

impl Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_short_printable_text() {
        for good in ["application/json", "text/plain; charset=utf-8", "x"] {
            assert_eq!(good.parse::<ContentType>().expect("valid").as_str(), good);
        }
        for bad in ["", "a\nb", "\u{e4}", &"x".repeat(129)] {
            assert!(bad.parse::<ContentType>().is_err(), "{bad:?}");
        }
        assert_eq!(ContentType::of_property(""), Ok(ContentType::BYTES));
    }
}
