//! `digest`: a digest for each file of one or more directory trees.
//!
//! The answer lists, in the order of the task's items, a digest or the reason why there is none.

use serde::{Deserialize, Serialize};

use super::files::{Differing, Files, ItemFailure, Selection, check_answer};
use super::{Classes, Contract, Descriptor, TaskQueue, Workload};
use crate::protocol::id::Class;
use crate::protocol::reason::{Reason, from_json};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// SHA-1 (FIPS 180-4): 20 bytes, 40 hexadecimal digits.
    Sha1,
}

impl Algorithm {
    pub const fn hex_digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
        }
    }

    /// The name in messages and on command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
        }
    }
}

pub(super) const DESCRIPTOR: Descriptor =
    Descriptor { name: "digest", queue: TaskQueue::Durable, classes: Classes::OfRoots };

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub algorithm: Algorithm,
    pub files: Selection,
}

impl Contract for Spec {
    fn workload(&self) -> Workload {
        Workload::Digest
    }

    fn classes(&self) -> Vec<Class> {
        self.files.classes()
    }

    fn roots(&self) -> Vec<&str> {
        self.files.root_names()
    }

    fn consumer_command(&self, class: &str, broker: &str) -> String {
        self.files.consumer_command(class, broker)
    }
}

/// A task's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub algorithm: Algorithm,
    pub files: Files,
}

impl Batch {
    /// Parses a body and refuses paths that lead out of their root.
    pub fn parse(body: &[u8]) -> Result<Self, Reason> {
        let batch: Self = from_json(body)?;
        batch.files.check()?;
        Ok(batch)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// For each item its digest in lower-case hexadecimal, or null.
    pub digests: Vec<Option<String>>,
    /// For each null the reason, in the order of items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ItemFailure>,
    /// Bytes read from the items that have a digest.
    pub bytes: u64,
    /// Items whose files were not exactly as planned when they were read.
    #[serde(default, skip_serializing_if = "Differing::is_empty")]
    pub differing: Differing,
}

impl Answer {
    /// Parses an answer and checks that it fits a task of `items` items.
    pub fn parse(body: &[u8], items: u32) -> Result<Self, Reason> {
        let answer: Self = from_json(body)?;
        check_answer(items, &answer.digests, &answer.failed, &answer.differing)?;
        let is_hex =
            |digest: &String| digest.len() == 40 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if let Some(digest) = answer.digests.iter().flatten().find(|digest| !is_hex(digest)) {
            return Err(Reason::Body { detail: format!("{digest:?} is no digest") });
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
            let body = format!(r#"{{"algorithm":"sha1","files":{{"links":"skip","root":"r","items":[["{bad}",1]]}}}}"#);
            assert!(matches!(Batch::parse(body.as_bytes()), Err(Reason::PathEscapes { .. })), "{bad}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let body = br#"{"algorithm":"sha1","files":{"links":"skip","root":"r","items":[]},"extra":1}"#;
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
