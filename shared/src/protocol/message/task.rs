//! A task: what an owner publishes for consumers.

use std::time::SystemTime;

use bytes::Bytes;

use super::{Message, kind};
use crate::protocol::id::{Class, ConsumerId, HeldTask, JobId, OpeningId, OwnerId, PlanHash, TaskId};
use crate::protocol::reason::Reason;
use crate::protocol::workload::Workload;

/// Whose task it is: carried by a task, echoed by its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Which task.
    pub task: TaskId,
    /// Of which opening of its job.
    pub opening: OpeningId,
    /// The plan that it is of, up to itself, and where not all of its items are asked for, which: an older copy of its
    /// owner's store may have gone on with another, or have asked for others.
    pub plan: PlanHash,
    /// 1 for the first try.
    pub attempt: u32,
    /// Whose queue takes the outcome.
    pub owner: OwnerId,
    /// Whose contract the body follows.
    pub workload: Workload,
}

impl Address {
    /// The task, as who holds it names it.
    pub fn held(&self) -> HeldTask {
        HeldTask { opening: self.opening.clone(), number: self.task.number }
    }

    pub(super) fn write(&self, message: Message) -> Message {
        let mut message = message
            .with_text("owner", self.owner.as_str())
            .with_text("opening", self.opening.as_str())
            .with_text("plan", self.plan.as_str())
            .with_text("workload", self.workload.as_str())
            .with_integer("attempt", i64::from(self.attempt));
        message.correlation = Some(self.task.job.to_string());
        message
    }

    pub(super) fn read(message: &Message) -> Result<Self, Reason> {
        let task: TaskId = message.id.parse().map_err(|e| Reason::header("message_id", &format!("{e}")))?;
        let job: JobId = match message.correlation.as_deref() {
            Some(text) => text.parse().map_err(|e| Reason::header("correlation_id", &format!("{e}")))?,
            None => return Err(Reason::header("correlation_id", "it is missing")),
        };
        if job != task.job {
            return Err(Reason::header("correlation_id", "it names another job than message_id"));
        }
        let attempt = message.integer("attempt").and_then(|n| u32::try_from(n).ok());
        Ok(Self {
            task,
            attempt: attempt.ok_or_else(|| Reason::header("attempt", "it is missing or out of range"))?,
            opening: message.header("opening")?,
            plan: message.header("plan")?,
            owner: message.header("owner")?,
            workload: message.header("workload")?,
        })
    }
}

/// One message of a job: a batch of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Whose it is.
    pub address: Address,
    /// Who can do it.
    pub class: Class,
    /// When it was planned, in nanoseconds since 1970, if that is known.
    pub planned_at: Option<i64>,
    /// Consumers that could not do it, and are to give it back: others may have what they lack.
    pub avoid: Vec<ConsumerId>,
    /// The batch, in the form of its workload's contract.
    pub body: Bytes,
}

impl Task {
    /// As a message.
    pub fn to_message(&self, now: SystemTime) -> Message {
        let message = Message::new(kind::TASK, self.address.task.to_string(), self.body.clone(), now);
        let mut message = self.address.write(message).with_text("class", self.class.as_str());
        if let Some(at) = self.planned_at {
            message = message.with_integer("planned_at", at);
        }
        if !self.avoid.is_empty() {
            let avoid: Vec<&str> = self.avoid.iter().map(ConsumerId::as_str).collect();
            message = message.with_text("avoid", avoid.join(" "));
        }
        message
    }

    /// From a message; the body is left to the workload.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::TASK)?;
        let avoid = message.text("avoid").unwrap_or_default().split(' ').filter(|id| !id.is_empty());
        let avoid: Result<Vec<ConsumerId>, _> = avoid.map(str::parse).collect();
        Ok(Self {
            address: Address::read(message)?,
            class: message.header("class")?,
            planned_at: message.integer("planned_at"),
            avoid: avoid.map_err(|error| Reason::header("avoid", &error.to_string()))?,
            body: message.body.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::limits::MESSAGE_BYTES_MAX;

    fn sized(bytes: usize) -> Message {
        let task = TaskId { job: JobId::from_name(b"j"), number: 0 };
        let (owner, opening) = (OwnerId::from_name(b"main"), OpeningId::from_name(b"o"));
        let address = Address { task, opening, plan: PlanHash::start(), attempt: 1, owner, workload: Workload::Digest };
        let body = vec![b' '; bytes].into();
        Task { address, class: Class::from_name(b"r"), planned_at: None, avoid: Vec::new(), body }
            .to_message(SystemTime::UNIX_EPOCH)
    }

    /// Other clients may send what our own transport refuses to.
    #[test]
    fn a_task_over_the_limit_is_refused_before_its_body_is_looked_at() {
        assert!(Task::from_message(&sized(MESSAGE_BYTES_MAX)).is_ok());
        let bytes = MESSAGE_BYTES_MAX + 1;
        assert_eq!(Task::from_message(&sized(bytes)), Err(Reason::TooLarge { bytes }));
    }
}
