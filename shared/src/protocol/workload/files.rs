//! What workloads over files have in common: a job names roots and what to take of them, a task
//! holds files of one root by their paths relative to it, an answer says of each file what came of
//! it.

mod item;

use serde::{Deserialize, Serialize};

use crate::protocol::id::{Class, encode};
use crate::protocol::path::PathBytes;
use crate::protocol::reason::Reason;

pub use item::{Item, Times};

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

/// Which files a job is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// What to do with symbolic links.
    pub links: Links,
    /// The trees.
    pub roots: Vec<Root>,
    /// What to take of them, in the order of the report.
    pub starts: Vec<Start>,
    /// Whether a file must have the very modification time that it was planned with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict_times: bool,
}

impl Selection {
    /// Whose queues the job's tasks go to, each once.
    pub fn classes(&self) -> Vec<Class> {
        let mut classes: Vec<_> = self.roots.iter().map(|root| root.class.clone()).collect();
        classes.sort();
        classes.dedup();
        classes
    }

    /// What a report puts before each path of a root; nothing if the job has no such root.
    pub fn prefix(&self, root: &str) -> &[u8] {
        self.roots.iter().find(|known| known.name == root).map_or(&[], |root| root.prefix.as_bytes())
    }
}

/// What a report calls a file: its root's prefix and its path, together as they are found. A file in the
/// current directory that is called `-` is told from standard input, as which `sha1sum -c` would read it.
pub fn printed(name: Vec<u8>) -> PathBytes {
    if name == b"-" { PathBytes(b"./-".to_vec()) } else { PathBytes(name) }
}

/// The files of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// What to do with symbolic links.
    pub links: Links,
    /// The root's name.
    pub root: String,
    /// The files.
    pub items: Vec<Item>,
    /// Whether each must have the very modification time that it was planned with: else a copy that was made without
    /// times will do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict_times: bool,
}

impl Files {
    /// Refuses paths that no honest planner writes.
    pub fn check(&self) -> Result<(), Reason> {
        match self.items.iter().find(|item| !stays_beneath(item.path.as_bytes())) {
            Some(item) => Err(Reason::PathEscapes { path: item.path.display() }),
            None => Ok(()),
        }
    }
}

/// Whether a relative path names something beneath its root, by its text alone. What its links do
/// is for the one who opens it.
fn stays_beneath(path: &[u8]) -> bool {
    !path.is_empty() && !path.contains(&0) && path.split(|&b| b == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

/// Why a file has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemFailure {
    /// Index into the task's items.
    pub item: u32,
    /// What happened, for people.
    pub reason: String,
    /// Whether another consumer may have it: its owner asks one, if there is one, before it takes this for an answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

impl ItemFailure {
    /// One for which no other consumer can do anything.
    pub fn new(item: u32, reason: impl Into<String>) -> Self {
        Self { item, reason: reason.into(), elsewhere: false }
    }
}

/// Which items of an answer were read from files that are not just as they were planned: by their numbers, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differing {
    /// With the planned size and another modification time: copies that were made without times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untimed: Vec<u32>,
    /// Of another size, or written or renamed between the planning and the reading, where both are one process's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<u32>,
}

impl Differing {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.untimed.is_empty() && self.changed.is_empty()
    }

    /// Adds those of another answer under the numbers that they have in this one.
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

/// Checks that an answer is one for `items` items: `results` holds a value or null for each,
/// `failed` has the reason of each null, in the same order, and those that are `differing` have a value.
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
