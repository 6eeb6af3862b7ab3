//! Why a message is refused.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::limits::{self, MESSAGE_BYTES_MAX};

/// The version of every message. A reader refuses others by name, so that a newer sender is told
/// apart from a broken one.
pub const SCHEMA: i64 = 2;

/// Why a message cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The body is over the limit.
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Made by another version.
    Schema {
        /// The version in its header.
        version: i64,
    },
    /// The `type` is not what this place takes.
    Kind {
        /// The `type` property.
        kind: String,
    },
    /// A header is missing or wrong.
    Header {
        /// Its name.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// The body is not the JSON that it should be.
    Body {
        /// What the parser says.
        detail: String,
    },
    /// A path in it is absolute or climbs out of its root.
    PathEscapes {
        /// The path, printable.
        path: String,
    },
    /// Its seal does not open, or is missing.
    Seal {
        /// Why.
        why: Untrusted,
    },
    /// For a workload or root that this consumer does not serve.
    NotServed {
        /// What it asked for.
        what: String,
    },
}

impl Reason {
    /// How long a refusal is held back: see [`limits::KEYLESS_DELAY`].
    pub fn delay(&self) -> Duration {
        match self {
            Self::Seal { why: Untrusted::NoKey { .. } | Untrusted::UnknownKey { .. } } => limits::KEYLESS_DELAY,
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn header(name: &str, detail: &str) -> Self {
        Self::Header { name: name.to_owned(), detail: detail.to_owned() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(f, "body of {bytes} bytes, over the limit of {MESSAGE_BYTES_MAX}"),
            Self::Schema { version } => {
                write!(f, "unknown schema version {version}, this program speaks {SCHEMA}")
            }
            Self::Kind { kind } => write!(f, "unknown kind {kind:?}"),
            Self::Header { name, detail } => write!(f, "header {name:?}: {detail}"),
            Self::Body { detail } => write!(f, "body: {detail}"),
            Self::PathEscapes { path } => write!(f, "path {path:?} escapes its root"),
            Self::Seal { why } => why.fmt(f),
            Self::NotServed { what } => write!(f, "not served here: {what}"),
        }
    }
}

impl std::error::Error for Reason {}

/// Why a message is untrusted, where messages are sealed: nothing in it is acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Untrusted {
    /// It is in clear, and only sealed ones are taken.
    Clear,
    /// It is sealed, and there are no keys here.
    NoKey {
        /// The key's id.
        key: String,
    },
    /// It is sealed with another key than those here.
    UnknownKey {
        /// The key's id.
        key: String,
    },
    /// It was forged, changed on its way, or is another message's body.
    Broken,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str(
                "it is not sealed, and only sealed messages are taken here; \
                 give its sender the same --key-file",
            ),
            Self::NoKey { key } => {
                write!(
                    f,
                    "it is sealed with key {key:?}, and there is no key here; start this role with --key-file FILE"
                )
            }
            Self::UnknownKey { key } => {
                write!(f, "it is sealed with key {key:?}, which is not in this role's --key-file")
            }
            Self::Broken => f.write_str("its seal does not fit: it was forged, or changed on its way"),
        }
    }
}

/// A body, or an answer, as JSON. Unknown fields are refused by the types themselves.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reason> {
    serde_json::from_slice(body).map_err(|error| Reason::Body { detail: error.to_string() })
}
