//! Why a message is refused.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::limits::{self, MESSAGE_BYTES_MAX};

/// Schema version of every message. Readers refuse other versions with [`Reason::Schema`], so a
/// message from a newer version is not mistaken for a broken one.
pub const SCHEMA: i64 = 3;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    TooLarge {
        bytes: usize,
    },
    /// The sender uses another schema version.
    Schema {
        version: i64,
    },
    /// The `type` property is not the one that is expected here.
    Kind {
        kind: String,
    },
    /// Messages of this kind do not travel over this exchange.
    Exchange {
        kind: String,
        exchange: String,
    },
    Header {
        name: String,
        detail: String,
    },
    /// The body does not follow its JSON contract.
    Body {
        detail: String,
    },
    /// A path in the body is absolute or leads out of its root.
    PathEscapes {
        path: String,
    },
    /// The message is not sealed, or its seal does not open.
    Seal {
        why: Untrusted,
    },
    /// The message asks for a workload or root that this consumer does not serve.
    NotServed {
        what: String,
    },
}

impl Reason {
    /// How long the refusal is delayed: see [`limits::KEYLESS_DELAY`].
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
            Self::Exchange { kind, exchange } => write!(f, "a message of kind {kind:?} over {exchange}"),
            Self::Header { name, detail } => write!(f, "header {name:?}: {detail}"),
            Self::Body { detail } => write!(f, "body: {detail}"),
            Self::PathEscapes { path } => write!(f, "path {path:?} escapes its root"),
            Self::Seal { why } => why.fmt(f),
            Self::NotServed { what } => write!(f, "not served here: {what}"),
        }
    }
}

impl std::error::Error for Reason {}

/// Why a message is untrusted where messages are sealed. Untrusted messages are not acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Untrusted {
    /// The message is in clear, and this role accepts only sealed ones.
    Clear,
    /// The message is sealed, and this role has no keys.
    NoKey { key: String },
    /// The message is sealed with a key that this role does not have.
    UnknownKey { key: String },
    /// The message was forged, changed on its way, or has another message's body.
    Broken,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str(
                "the message is not sealed, and this role accepts only sealed messages; \
                 start its sender with the same --key-file",
            ),
            Self::NoKey { key } => {
                write!(
                    f,
                    "the message is sealed with key {key:?}, and this role has no key; start it with --key-file FILE"
                )
            }
            Self::UnknownKey { key } => {
                write!(f, "the message is sealed with key {key:?}, which is missing in this role's --key-file")
            }
            Self::Broken => f.write_str("the seal does not open: the message was forged, or changed on its way"),
        }
    }
}

/// Parses a body or an answer. The types themselves refuse unknown fields.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reason> {
    serde_json::from_slice(body).map_err(|error| Reason::Body { detail: error.to_string() })
}
