//! `digest`: a digest for each file of one or more directory trees.
//!
//! A job names its roots; a task holds files of one root by their paths relative to it. The answer
//! lists, in the order of the task's items, a digest or why there is none.

use serde::{Deserialize, Serialize};

use crate::id::{Class, encode};
use crate::message::Reason;
use crate::path::{InvalidName, PathBytes};

/// Which digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// SHA-1 (FIPS 180-4): 20 bytes, 40 hexadecimal digits.
    Sha1,
}

impl Algorithm {
    /// Hexadecimal digits of one digest.
    pub const fn hex_digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
        }
    }

    /// Its name in messages and on command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
        }
    }
}

/// What to do with symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// Skip them.
    #[default]
    Skip,
    /// Follow those that stay within their root; others are failed items.
    FollowInside,
    /// Follow all. A consumer must allow it as well.
    FollowAnywhere,
}

/// A directory that files are named relative to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Its name: each consumer maps names to directories of its own.
    pub name: String,
    /// Whose queue its tasks go to.
    pub class: Class,
    /// What a report puts before each relative path: the root as the user spelt it, with a slash,
    /// or nothing.
    pub prefix: PathBytes,
}

impl Root {
    /// The class of a root's name where consumers on several machines serve it.
    pub fn class_of(name: &str) -> Class {
        encode(name.as_bytes()).parse().expect("an encoded name is an id")
    }
}

/// Where a walk starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Index into the job's roots.
    pub root: usize,
    /// The one file of that root to take, or all of it.
    pub file: Option<PathBytes>,
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Which digest.
    pub algorithm: Algorithm,
    /// What to do with symbolic links.
    pub links: Links,
    /// The trees.
    pub roots: Vec<Root>,
    /// What to take of them, in the order of the report.
    pub starts: Vec<Start>,
}

/// One file to read. In JSON an object of its name, as `path` or `path_base64`, and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ItemWire", into = "ItemWire")]
pub struct Item {
    /// Relative to the root: no empty, `.` or `..` component.
    pub path: PathBytes,
    /// Its size when it was planned, in bytes. A hint: the answer is about the file as it is read.
    pub size: u64,
}

/// Written out rather than flattened: flattening makes serde hold every value twice, which is a
/// tenth of the cost of a small file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    size: u64,
}

impl TryFrom<ItemWire> for Item {
    type Error = InvalidName;
    fn try_from(wire: ItemWire) -> Result<Self, InvalidName> {
        Ok(Self { path: PathBytes::from_keys(wire.path, wire.path_base64)?, size: wire.size })
    }
}

impl From<Item> for ItemWire {
    fn from(item: Item) -> Self {
        let (path, path_base64) = item.path.into_keys();
        Self { path, path_base64, size: item.size }
    }
}

/// A task's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Which digest.
    pub algorithm: Algorithm,
    /// What to do with symbolic links.
    pub links: Links,
    /// The root's name.
    pub root: String,
    /// The files.
    pub items: Vec<Item>,
}

impl Batch {
    /// Reads a body and refuses paths that no honest planner writes.
    pub fn parse(body: &[u8]) -> Result<Self, Reason> {
        let batch: Self = serde_json::from_slice(body).map_err(|e| Reason::Body { detail: e.to_string() })?;
        match batch.items.iter().find(|item| !stays_beneath(item.path.as_bytes())) {
            Some(item) => Err(Reason::PathEscapes { path: item.path.display() }),
            None => Ok(batch),
        }
    }
}

/// Whether a relative path names something beneath its root, by its text alone. What its links do
/// is for the one who opens it.
fn stays_beneath(path: &[u8]) -> bool {
    !path.is_empty() && !path.contains(&0) && path.split(|&b| b == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

/// Why a file has no digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemFailure {
    /// Index into the task's items.
    pub item: u32,
    /// What happened, for people.
    pub reason: String,
}

/// A task's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// For each item its digest in lower-case hexadecimal, or null.
    pub digests: Vec<Option<String>>,
    /// For each null the reason, in the order of items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ItemFailure>,
    /// Bytes read of the items that have a digest.
    pub bytes: u64,
}

impl Answer {
    /// Reads an answer and checks that it can be one for a task of `items` items.
    pub fn parse(body: &[u8], items: u32) -> Result<Self, Reason> {
        let answer: Self = serde_json::from_slice(body).map_err(|e| Reason::Body { detail: e.to_string() })?;
        let wrong = |detail: String| Err(Reason::Body { detail });
        if answer.digests.len() != items as usize {
            return wrong(format!("{} digests for {items} items", answer.digests.len()));
        }
        let is_hex =
            |digest: &String| digest.len() == 40 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if let Some(digest) = answer.digests.iter().flatten().find(|digest| !is_hex(digest)) {
            return wrong(format!("{digest:?} is no digest"));
        }
        let nulls = (0u32..).zip(&answer.digests).filter(|(_, d)| d.is_none()).map(|(item, _)| item);
        if !nulls.eq(answer.failed.iter().map(|f| f.item)) {
            return wrong("the failed items are not the ones without a digest".to_owned());
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_escape_are_refused() {
        for bad in ["/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "", "a/.."] {
            let body =
                format!(r#"{{"algorithm":"sha1","links":"skip","root":"r","items":[{{"path":"{bad}","size":1}}]}}"#);
            assert!(matches!(Batch::parse(body.as_bytes()), Err(Reason::PathEscapes { .. })), "{bad}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let body = br#"{"algorithm":"sha1","links":"skip","root":"r","items":[],"extra":1}"#;
        assert!(matches!(Batch::parse(body), Err(Reason::Body { .. })));
    }

    #[test]
    fn an_answer_must_fit_its_task() {
        let hex = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        let good = format!(r#"{{"digests":["{hex}",null],"failed":[{{"item":1,"reason":"gone"}}],"bytes":0}}"#);
        assert!(Answer::parse(good.as_bytes(), 2).is_ok());
        assert!(Answer::parse(good.as_bytes(), 3).is_err());
        for bad in [
            format!(r#"{{"digests":["{hex}",null],"bytes":0}}"#),
            format!(r#"{{"digests":["{}"],"bytes":0}}"#, hex.to_uppercase()),
            format!(r#"{{"digests":["{hex}"],"failed":[{{"item":0,"reason":"x"}}],"bytes":0}}"#),
        ] {
            assert!(Answer::parse(bad.as_bytes(), 1).is_err() && Answer::parse(bad.as_bytes(), 2).is_err(), "{bad}");
        }
    }
}
