//! Dead tasks as owners report them: tasks that failed for the last time, and tasks of which a
//! message came back dead.

use serde::{Deserialize, Serialize};

use crate::protocol::id::TaskId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadState {
    /// The task failed for the last time.
    Failed,
    /// A message of the task was refused or given up, and the owner sent it again.
    Returned,
}

impl DeadState {
    /// The name in messages, tables and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Returned => "returned",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadTask {
    pub task: TaskId,
    pub state: DeadState,
    pub items: u32,
    /// Attempts, as far as the owner knows.
    pub attempts: u32,
    /// Host of the last attempt.
    pub host: String,
    /// In plain English, for display.
    pub reason: String,
    /// Seconds since 1970.
    pub at: f64,
}

/// A message of a dead task that came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Returned {
    /// Seconds since 1970.
    pub at: f64,
    /// Host that refused the message, if that is known.
    pub host: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadDetail {
    pub dead: DeadTask,
    /// End of the error output of the last attempt, if there was any.
    pub stderr: String,
    /// The latest messages that came back, oldest first.
    pub returned: Vec<Returned>,
    /// Names of the first items.
    pub names: Vec<String>,
}
