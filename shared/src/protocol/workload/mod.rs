//! The contract of each workload: a job's specification, a task's body and its answer.
//!
//! Each role has a module of the workload's name: its contract here, its plan in the producer, its
//! work in the consumer, its fold in the reducer. Every place that must know all workloads matches
//! on [`Workload`] without a wildcard, so the compiler finds these places when one is added.

pub mod digest;
pub mod files;
pub mod steps;
pub mod words;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    Digest,
    /// The horse and rider example: the smallest workload, and the one to copy for a new one.
    Steps,
    /// Lines, words and bytes of files.
    Words,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown workload {0:?}: this program was built with digest, steps, words")]
pub struct UnknownWorkload(String);

impl Workload {
    /// In alphabetical order.
    pub const ALL: [Self; 3] = [Self::Digest, Self::Steps, Self::Words];

    /// The name in messages, queue names and on command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Steps => "steps",
            Self::Words => "words",
        }
    }
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
