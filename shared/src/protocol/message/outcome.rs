//! An outcome: the one answer to a task.

use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Address, HeaderValue, Message, Parts, kind};
use crate::protocol::id::ConsumerId;
use crate::protocol::reason::Reason;

/// How a whole task failed. An item that fails alone is part of the answer instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What happened, for people.
    pub reason: String,
    /// The end of the error output, if there was a process of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
}

/// Done or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answer, in the form of its workload's contract. These bytes, and nothing else of the
    /// outcome, are compared when a task is answered twice.
    Done(Bytes),
    /// The task could not be done; the owner decides about another attempt.
    Failed(Failure),
}

/// The one answer to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The task's address, echoed.
    pub address: Address,
    /// Who did it, if it says so.
    pub consumer: Option<ConsumerId>,
    /// Where it was done.
    pub host: String,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Whether the broker had delivered the task before.
    pub redelivered: bool,
    /// What came of it.
    pub verdict: Verdict,
    /// What of the answer was published before, if anything.
    pub parts: Option<Parts>,
}

impl Outcome {
    /// As a message.
    pub fn to_message(&self, now: SystemTime) -> Message {
        let id = self.address.task.to_string();
        let (status, message) = match &self.verdict {
            Verdict::Done(answer) => ("done", Message::new(kind::OUTCOME, id, answer.clone(), now)),
            Verdict::Failed(failure) => ("failed", Message::json(kind::OUTCOME, id, failure, now)),
        };
        let mut message = self
            .address
            .write(message)
            .with_text("status", status)
            .with_text("host", self.host.as_str())
            .with_integer("micros", i64::try_from(self.micros).unwrap_or(i64::MAX));
        message.headers.insert("redelivered".to_owned(), HeaderValue::Bool(self.redelivered));
        if let Some(consumer) = &self.consumer {
            message = message.with_text("consumer", consumer.as_str());
        }
        match &self.parts {
            Some(Parts { run, count }) => {
                message.with_text("run", run.as_str()).with_integer("parts", i64::from(*count))
            }
            None => message,
        }
    }

    /// From a message; the answer is left to the workload.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::OUTCOME)?;
        let verdict = match message.text("status") {
            Some("done") => Verdict::Done(message.body.clone()),
            Some("failed") => Verdict::Failed(message.parse()?),
            other => return Err(Reason::header("status", &format!("done or failed, not {other:?}"))),
        };
        Ok(Self {
            address: Address::read(message)?,
            consumer: message.text("consumer").and_then(|text| text.parse().ok()),
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
    Ok(Some(Parts { run: message.header("run")?, count }))
}
