//! The parts that all workloads over files share. A job names roots and which of their files to
//! take. A task holds files of one root by their relative paths. An answer has a result or a reason
//! for each file.

mod item;

use serde::{Deserialize, Serialize};

use crate::protocol::id::{Class, encode};
use crate::protocol::path::PathBytes;
use crate::protocol::reason::Reason;

pub use item::{Item, Times};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    #[default]
    Skip,
    /// Follow links that stay within their root; other links are failed items.
    FollowInside,
    /// Follow every link. The consumer must allow this as well.
    FollowAnywhere,
}

/// A directory that paths of files are relative to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Each consumer maps this name to a directory of its own.
    pub name: String,
    /// Class whose queue gets the root's tasks.
    pub class: Class,
    /// Prefix of each path in a report: the root as the user spelt it, with a slash, or nothing.
    pub prefix: PathBytes,
}

impl Root {
    /// The class of a root that consumers on several machines serve.
    pub fn class_of(name: &str) -> Class {
        encode(name.as_bytes()).parse().expect("an encoded name is an id")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Index into the job's roots.
    pub root: usize,
    /// The one file of the root to take; `None` for all files.
    pub file: Option<PathBytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    pub links: Links,
    pub roots: Vec<Root>,
    /// The starts of the walk, in the order of the report.
    pub starts: Vec<Start>,
    /// Whether a file must have the exact modification time that it was planned with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict_times: bool,
}

impl Selection {
    /// Classes whose queues get the job's tasks, each once.
    pub fn classes(&self) -> Vec<Class> {
        let mut classes: Vec<_> = self.roots.iter().map(|root| root.class.clone()).collect();
        classes.sort();
        classes.dedup();
        classes
    }

    /// The names of the roots, in order.
    pub fn root_names(&self) -> Vec<&str> {
        self.roots.iter().map(|root| root.name.as_str()).collect()
    }

    /// The command that starts a consumer of a class of the job, at the broker of this URL.
    pub fn consumer_command(&self, class: &str, broker: &str) -> String {
        let root = self.roots.iter().find(|root| root.class.as_str() == class);
        format!("packhorse consumer --broker {broker} --root {}=DIR", root.map_or(class, |root| &root.name))
    }

    /// Prefix of each path of a root in a report; empty if the job has no such root.
    pub fn prefix(&self, root: &str) -> &[u8] {
        self.roots.iter().find(|known| known.name == root).map_or(&[], |root| root.prefix.as_bytes())
    }
}

/// The name of a file in a report. `name` is the root's prefix and the file's path. A file `-` in
/// the current directory becomes `./-`, because `sha1sum -c` reads `-` as standard input.
pub fn printed(name: Vec<u8>) -> PathBytes {
    if name == b"-" { PathBytes(b"./-".to_vec()) } else { PathBytes(name) }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    pub links: Links,
    pub root: String,
    pub items: Vec<Item>,
    /// Whether each file must have the exact modification time that it was planned with. Otherwise
    /// a copy made without preserving times is accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict_times: bool,
}

impl Files {
    /// Refuses paths that lead out of their root.
    pub fn check(&self) -> Result<(), Reason> {
        match self.items.iter().find(|item| !stays_beneath(item.path.as_bytes())) {
            Some(item) => Err(Reason::PathEscapes { path: item.path.display() }),
            None => Ok(()),
        }
    }
}

/// Whether a relative path stays beneath its root, by its text alone. The code that opens the file
/// checks symbolic links.
fn stays_beneath(path: &[u8]) -> bool {
    !path.is_empty() && !path.contains(&0) && path.split(|&b| b == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemFailure {
    /// Index into the task's items.
    pub item: u32,
    /// In plain English, for display.
    pub reason: String,
    /// Whether another consumer may have the file. The owner then asks another one, if there is
    /// one, before it accepts this failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

impl ItemFailure {
    /// A failure that no other consumer can avoid.
    pub fn new(item: u32, reason: impl Into<String>) -> Self {
        Self { item, reason: reason.into(), elsewhere: false }
    }
}

/// Items of an answer whose files were not exactly as planned when they were read: their numbers,
/// ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differing {
    /// Files with the planned size and another modification time: copies made without preserving
    /// times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untimed: Vec<u32>,
    /// Files of another size, or written or renamed between planning and reading. Known only where
    /// one process does both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<u32>,
}

impl Differing {
    pub fn is_empty(&self) -> bool {
        self.untimed.is_empty() && self.changed.is_empty()
    }

    /// Adds the items of another answer. `number` maps an item's number there to its number here.
    pub fn add(&mut self, other: &Self, number: impl Fn(u32) -> Option<u32>) {
        for (all, more) in [(&mut self.untimed, &other.untimed), (&mut self.changed, &other.changed)] {
            all.extend(more.iter().filter_map(|&item| number(item)));
            all.sort_unstable();
        }
    }

    fn check<T>(&self, results: &[Option<T>]) -> Result<(), Reason> {
        let has_result = |item: &u32| matches!(results.get(*item as usize), Some(Some(_)));
        let is_good = |items: &[u32]| items.is_sorted_by(|one, next| one < next) && items.iter().all(has_result);
        if is_good(&self.untimed) && is_good(&self.changed) {
            return Ok(());
        }
        Err(Reason::Body { detail: "the differing items are not in order, each once and with a result".to_owned() })
    }
}

/// Checks that an answer fits a task of `items` items. `results` holds a value or null for each
/// item, `failed` has the reason of each null in the same order, and `differing` items have a
/// value.
pub fn check_answer<T>(
    items: u32,
    results: &[Option<T>],
    failed: &[ItemFailure],
    differing: &Differing,
) -> Result<(), Reason> {
    let wrong = |detail: String| Err(Reason::Body { detail });
    if results.len() != items as usize {
        return wrong(format!("{} results for {items} items", results.len()));
    }
    let nulls = (0u32..).zip(results).filter(|(_, result)| result.is_none()).map(|(item, _)| item);
    if !nulls.eq(failed.iter().map(|failure| failure.item)) {
        return wrong("the failed items are not the ones without a result".to_owned());
    }
    differing.check(results)
}
