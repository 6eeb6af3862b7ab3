//! The contract of each workload: a job's specification, a task's body and its answer.
//!
//! Each role has a module of the workload's name: its contract here, its plan in the producer, its
//! work in the consumer, its fold in the reducer. Each of these rows has one descriptor per workload
//! and one place that matches on all of them without a wildcard: here [`Workload::descriptor`] and
//! [`JobSpec::contract`](crate::protocol::job::JobSpec::contract).

pub mod call;
pub mod digest;
pub mod files;
pub mod steps;
pub mod words;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::protocol::id::Class;
#[cfg(doc)]
use crate::protocol::limits;
use crate::protocol::payload::{ContentType, Payload};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Calls of a user's own worker.
    Call,
    Digest,
    /// The horse and rider example: the smallest workload, and the one to copy for a new one.
    Steps,
    /// Lines, words and bytes of files.
    Words,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown workload {0:?}: this program was built with call, digest, steps, words")]
pub struct UnknownWorkload(String);

impl Workload {
    /// In alphabetical order.
    pub const ALL: [Self; 4] = [Self::Call, Self::Digest, Self::Steps, Self::Words];

    pub const fn descriptor(self) -> &'static Descriptor {
        match self {
            Self::Call => &call::DESCRIPTOR,
            Self::Digest => &digest::DESCRIPTOR,
            Self::Steps => &steps::DESCRIPTOR,
            Self::Words => &words::DESCRIPTOR,
        }
    }

    /// The name in messages, queue names and on command lines.
    pub const fn as_str(self) -> &'static str {
        self.descriptor().name
    }
}

/// What all roles must know of a workload before they have a job of it.
#[derive(Debug)]
pub struct Descriptor {
    pub name: &'static str,
    pub queue: TaskQueue,
    pub classes: Classes,
}

/// The form of a workload's task queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskQueue {
    /// Replicated: what is confirmed survives the loss of a node.
    Durable,
    /// On one node, with room for exactly this many waiting tasks. A publisher waits while it is
    /// full.
    Exact(u32),
    /// On one node and in its memory: half the cost of a durable hop. The owner's record makes up
    /// for what a restart of that node loses. The queue is made when it is needed, and vanishes when
    /// nobody has used it for [`limits::LIGHT_QUEUE_EXPIRES`].
    Light,
}

impl TaskQueue {
    pub const fn is_light(self) -> bool {
        matches!(self, Self::Light)
    }
}

/// The classes of a workload.
#[derive(Debug, Clone, Copy)]
pub enum Classes {
    /// One for each job: its owner tells consumers of it, and those that can do its tasks open a
    /// lane.
    OfJobs,
    /// One for each root: consumers that serve the root can do the tasks.
    OfRoots,
    /// One for all: every consumer can do the tasks.
    One(fn() -> Class),
}

impl Classes {
    /// Whether a consumer needs a root to do the tasks.
    pub const fn are_of_roots(self) -> bool {
        matches!(self, Self::OfRoots)
    }

    /// The classes for consumers that serve these roots.
    pub fn for_roots<'a>(self, roots: impl Iterator<Item = &'a str>) -> Vec<Class> {
        match self {
            Self::OfJobs => Vec::new(),
            Self::OfRoots => roots.map(files::Root::class_of).collect(),
            Self::One(class) => vec![class()],
        }
    }
}

/// What all roles ask of a job's spec. The types of specs implement it.
pub trait Contract {
    fn workload(&self) -> Workload;

    /// The classes that may do the job's tasks, each once.
    fn classes(&self) -> Vec<Class>;

    /// The names of the job's roots, in order; empty for a job without files.
    fn roots(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The kind of worker that its tasks need, and how the worker's values are written. Consumers
    /// must hear of such a job before they can do its tasks.
    fn announced(&self) -> Option<(&str, &ContentType)> {
        None
    }

    /// What such a worker begins with.
    fn init(&self) -> Option<&Payload> {
        None
    }

    /// The command that starts a consumer of a class of the job, at the broker of this URL.
    fn consumer_command(&self, class: &str, broker: &str) -> String;
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Workload {
    type Err = UnknownWorkload;
    fn from_str(text: &str) -> Result<Self, UnknownWorkload> {
        Self::ALL.into_iter().find(|w| w.as_str() == text).ok_or_else(|| UnknownWorkload(text.to_owned()))
    }
}
