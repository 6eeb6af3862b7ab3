//! An outcome: the one answer to a task.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Address, HeaderValue, Message, Parts, kind};
use crate::protocol::id::ConsumerId;
use crate::protocol::payload::Payload;
use crate::protocol::reason::Reason;

/// Failure of a whole task. An item that fails alone is part of the answer instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// In plain English, for display.
    pub reason: String,
    /// End of the error output, if the task ran in a separate process.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answer, as the workload's contract defines it. When a task is answered twice, the owner
    /// compares these bytes and nothing else of the outcome.
    Done(Payload),
    /// The task could not be done; the owner decides about another attempt.
    Failed(Failure),
    /// The task cannot be done: every attempt would fail in the same way. It is not tried again.
    Permanent(Failure),
}

impl Verdict {
    /// The failure, if it is one.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Done(_) => None,
            Self::Failed(failure) | Self::Permanent(failure) => Some(failure),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Copied from the task.
    pub address: Address,
    /// The consumer that did the task, if the outcome names it.
    pub consumer: Option<ConsumerId>,
    pub host: String,
    /// Duration of the work, microseconds.
    pub micros: u64,
    /// Whether the broker had delivered the task before.
    pub redelivered: bool,
    pub verdict: Verdict,
    /// Parts of the answer that were published before this outcome, if any.
    pub parts: Option<Parts>,
}

impl Outcome {
    pub fn to_message(&self, now: SystemTime) -> Message {
        let id = self.address.task.to_string();
        let (status, message) = match &self.verdict {
            Verdict::Done(answer) => ("done", Message::new(kind::OUTCOME, id, answer.clone(), now)),
            Verdict::Failed(failure) | Verdict::Permanent(failure) => {
                ("failed", Message::json(kind::OUTCOME, id, failure, now))
            }
        };
        let mut message = self
            .address
            .write(message)
            .with_text("status", status)
            .with_text("host", self.host.as_str())
            .with_integer("micros", i64::try_from(self.micros).unwrap_or(i64::MAX));
        message = message.with_bool("redelivered", self.redelivered);
        if matches!(self.verdict, Verdict::Permanent(_)) {
            message = message.with_bool("retry", false);
        }
        if let Some(consumer) = &self.consumer {
            message = message.with_text("consumer", consumer);
        }
        match &self.parts {
            Some(Parts { run, count }) => message.with_text("run", run).with_integer("parts", i64::from(*count)),
            None => message,
        }
    }

    /// Reads all but the answer, which the workload parses.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::OUTCOME)?;
        let verdict = match message.text("status") {
            Some("done") => Verdict::Done(message.payload()?),
            Some("failed") if message.headers.get("retry") == Some(&HeaderValue::Bool(false)) => {
                Verdict::Permanent(message.parse()?)
            }
            Some("failed") => Verdict::Failed(message.parse()?),
            other => return Err(Reason::header("status", &format!("done or failed, not {other:?}"))),
        };
        Ok(Self {
            address: Address::read(message)?,
            consumer: message.header_id("consumer").ok(),
            host: message.text("host").unwrap_or("unknown").to_owned(),
            micros: message.integer("micros").and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            redelivered: message.headers.get("redelivered") == Some(&HeaderValue::Bool(true)),
            verdict,
            parts: parts(message)?,
        })
    }
}

fn parts(message: &Message) -> Result<Option<Parts>, Reason> {
    let Some(count) = message.integer("parts") else { return Ok(None) };
    let count = u32::try_from(count).map_err(|_| Reason::header("parts", "it is out of range"))?;
    Ok(Some(Parts { run: message.header_id("run")?, count }))
}
