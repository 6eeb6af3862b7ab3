//! Dead tasks as owners tell of them: those that failed for the last time, and those of which a message
//! came back dead.

use serde::{Deserialize, Serialize};

use crate::protocol::id::TaskId;

/// How it stands with a task that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadState {
    /// It failed for the last time.
    Failed,
    /// A message of it was refused or given up, and its owner sent it again.
    Returned,
}

impl DeadState {
    /// Its name in messages, tables and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Returned => "returned",
        }
    }
}

/// One dead task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadTask {
    /// Which.
    pub task: TaskId,
    /// How it stands with it.
    pub state: DeadState,
    /// Its items.
    pub items: u32,
    /// How often it was tried, as far as is known.
    pub attempts: u32,
    /// Where it was tried last.
    pub host: String,
    /// What happened, for people.
    pub reason: String,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// A message of a task that came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Returned {
    /// When, in seconds since 1970.
    pub at: f64,
    /// Who refused it, if that is known.
    pub host: String,
    /// Why.
    pub reason: String,
}

/// All that is known of a dead task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadDetail {
    /// What a list says of it.
    pub dead: DeadTask,
    /// The end of the error output of its last attempt, if there was any.
    pub stderr: String,
    /// Its messages that came back: the latest, oldest first.
    pub returned: Vec<Returned>,
    /// Names of its first items.
    pub names: Vec<String>,
}
