//! Names of jobs, owners, stores, classes and consumers.
//!
//! An id is 1 to 64 bytes of `[A-Za-z0-9_-]`, so that it can stand in a routing key, a queue name
//! and a file name without quoting. [`encode`] turns any other name into one.
//!
//! Ids are copied with every message and every task, so copies share their text.

mod plan;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id, in bytes. A queue name holds three of them within AMQP's 255.
pub const ID_BYTES_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid id: use 1 to {ID_BYTES_MAX} letters, digits, '_' or '-'")]
pub struct InvalidId {
    text: String,
}

fn check(text: &str) -> Result<(), InvalidId> {
    let fits = (1..=ID_BYTES_MAX).contains(&text.len());
    if fits && text.bytes().all(is_plain) { Ok(()) } else { Err(InvalidId { text: text.chars().take(80).collect() }) }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Turns any name into an id. A valid id stays as it is. Otherwise each byte outside `[A-Za-z0-9-]`
/// becomes `_XX` (hexadecimal, so `_` itself becomes `_5F`). A result that is still too long keeps
/// its beginning and ends in a 64-bit FNV-1a hash.
///
/// ```
/// assert_eq!(shared::protocol::id::encode(b"photos"), "photos");
/// assert_eq!(shared::protocol::id::encode(b"my photos"), "my_20photos");
/// assert_eq!(shared::protocol::id::encode(&[b'x'; 100]).len(), 64);
/// ```
pub fn encode(name: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(name)
        && check(text).is_ok()
    {
        return text.to_owned();
    }
    let mut text = String::with_capacity(name.len() * 3);
    for &byte in name {
        if is_plain(byte) && byte != b'_' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("_{byte:02X}"));
        }
    }
    if text.is_empty() || text.len() > ID_BYTES_MAX {
        text.truncate(ID_BYTES_MAX - 18);
        text.push_str(&format!("__{:016x}", fnv1a(name)));
    }
    text
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// FNV-1a, 64 bit (Fowler, Noll, Vo): offset basis and prime as published.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Turns any name into an id of this kind; see [`encode`].
            pub fn from_name(name: &[u8]) -> Self {
                Self(encode(name).into())
            }
        }

        impl TryFrom<&Arc<str>> for $name {
            type Error = InvalidId;
            fn try_from(text: &Arc<str>) -> Result<Self, InvalidId> {
                check(text).map(|()| Self(Arc::clone(text)))
            }
        }

        impl From<&$name> for Arc<str> {
            fn from(id: &$name) -> Self {
                Self::clone(&id.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check(text).map(|()| Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                check(&text).map(|()| Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id!(JobId);
id!(
    /// File name of a job's report in the owner's report directory, without an extension.
    ReportName
);
id!(
    /// Where a request comes from: one machine, and the exact directories that the request names on
    /// it.
    Origin
);
impl Origin {
    /// `place` is a text that differs between places; the id is its hash.
    pub fn of(place: &[u8]) -> Self {
        Self(format!("{:016x}", fnv1a(place)).into())
    }
}

id!(
    /// A reducer, or a command that owns its job.
    OwnerId
);
impl OwnerId {
    /// The default owner.
    pub fn main() -> Self {
        Self("main".into())
    }
}

id!(
    /// One store file. A copied store has the same id until an owner opens one of the two.
    StoreId
);
id!(
    /// One opening of one job in one store: the store's id, `-`, and a random part. The owner draws
    /// it, commits it before it publishes anything, and puts it on every message about the job. A
    /// job of the same name in another store has another opening, and so has a job that was begun
    /// again.
    OpeningId
);
impl OpeningId {
    /// The opening with this random part in a store.
    pub fn in_store(store: &StoreId, random: &Self) -> Self {
        Self::from_name(format!("{store}-{random}").as_bytes())
    }

    /// The id of the store that drew it.
    pub fn store(&self) -> &str {
        self.0.split_once('-').map_or(&self.0, |(store, _)| store)
    }
}

id!(
    /// Identifies a plan up to and including one of its tasks. Each task's hash covers the hash
    /// before it and the whole content of the task.
    PlanHash
);
id!(
    /// Which consumers can do a task: those that serve a root's name, or `any`.
    Class
);
id!(ConsumerId);
id!(
    /// One attempt at one task, by one consumer.
    RunId
);

/// One task of one opening of a job: consumers list these as the tasks that they hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldTask {
    pub opening: OpeningId,
    /// Its place in the plan, from 0.
    pub number: u64,
}

/// One task of a job: tasks are numbered from 0 without gaps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    pub job: JobId,
    /// Its place in the plan, from 0.
    pub number: u64,
}

/// Reads `NAME.NUMBER`, the form of a task's id in messages and commands.
pub(super) fn numbered(text: &str) -> Result<(&str, u64), InvalidId> {
    let invalid = || InvalidId { text: text.chars().take(80).collect() };
    let (name, number) = text.rsplit_once('.').ok_or_else(invalid)?;
    // The store keeps numbers as signed 64-bit integers and cannot look up a larger one.
    let number: i64 = number.parse().map_err(|_| invalid())?;
    Ok((name, number.try_into().map_err(|_| invalid())?))
}

macro_rules! numbered {
    ($name:ident, $of:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}.{}", self.$of, self.number)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let (name, number) = numbered(text)?;
                Ok(Self { $of: name.parse()?, number })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

numbered!(TaskId, job);
numbered!(HeldTask, opening);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_round_trips() {
        let id: TaskId = "photos-2026.17".parse().expect("valid");
        assert_eq!((id.job.as_str(), id.number), ("photos-2026", 17));
        assert_eq!(id.to_string(), "photos-2026.17");
    }

    #[test]
    fn an_opening_tells_its_store() {
        let store = StoreId::from_name(b"2b9k1m3q4t7c0s5v");
        let opening = OpeningId::in_store(&store, &OpeningId::from_name(b"7c0s5v2b9k1m3q4t"));
        assert_eq!(opening.as_str(), "2b9k1m3q4t7c0s5v-7c0s5v2b9k1m3q4t");
        assert_eq!(opening.store(), store.as_str());
    }

    #[test]
    fn ids_refuse_what_cannot_stand_in_a_routing_key() {
        for bad in ["", "a.b", "a b", "a*", "#", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn encoding_is_injective_on_near_misses() {
        let names: [&[u8]; 6] = [b"a b", b"a_20b", b"a_b", b"a.b", b"a\xffb", b""];
        let encoded: std::collections::BTreeSet<_> = names.iter().map(|name| encode(name)).collect();
        // "a b" becomes "a_20b", which as a name of its own is plain and stays: the one collision
        // that the short form allows. A root of either name can be renamed with NAME=PATH.
        assert_eq!(encoded.len(), 5);
        assert!(encoded.iter().all(|text| check(text).is_ok()));
    }
}
