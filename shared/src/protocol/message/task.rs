//! A task, as an owner publishes it for consumers.

use std::time::SystemTime;

use super::{Message, kind};
use crate::protocol::id::{Class, ConsumerId, HeldTask, JobId, OpeningId, OwnerId, PlanHash, TaskId, numbered};
use crate::protocol::payload::Payload;
use crate::protocol::reason::Reason;
use crate::protocol::workload::Workload;

/// Identifies a task. Every task carries its address, and its outcome carries a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub task: TaskId,
    pub opening: OpeningId,
    /// Hash of the plan up to this task, and, if only some of its items are asked for, of their
    /// numbers. It differs when an older copy of the owner's store continued with another plan or
    /// asked for other items.
    pub plan: PlanHash,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The owner whose queue takes the outcome.
    pub owner: OwnerId,
    /// Defines the contract of the body.
    pub workload: Workload,
}

impl Address {
    /// The task as a consumer lists it in its heartbeat.
    pub fn held(&self) -> HeldTask {
        HeldTask { opening: self.opening.clone(), number: self.task.number }
    }

    pub(super) fn write(&self, message: Message) -> Message {
        let mut message = message
            .with_text("owner", &self.owner)
            .with_text("opening", &self.opening)
            .with_text("plan", &self.plan)
            .with_text("workload", self.workload.as_str())
            .with_integer("attempt", i64::from(self.attempt));
        message.correlation = Some((&self.task.job).into());
        message
    }

    pub(super) fn read(message: &Message) -> Result<Self, Reason> {
        let (name, number) = numbered(&message.id).map_err(|e| Reason::header("message_id", &format!("{e}")))?;
        let job: JobId = match &message.correlation {
            Some(text) => text.try_into().map_err(|e| Reason::header("correlation_id", &format!("{e}")))?,
            None => return Err(Reason::header("correlation_id", "it is missing")),
        };
        if job.as_str() != name {
            return Err(Reason::header("correlation_id", "it names another job than message_id"));
        }
        Ok(Self {
            task: TaskId { job, number },
            attempt: message.count("attempt")?,
            opening: message.header_id("opening")?,
            plan: message.header_id("plan")?,
            owner: message.header_id("owner")?,
            workload: message.header("workload")?,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub address: Address,
    pub class: Class,
    /// Time of planning in nanoseconds since 1970, if that is known.
    pub planned_at: Option<i64>,
    /// Consumers that could not do this task. They give it back, because other consumers may have
    /// what they lack.
    pub avoid: Vec<ConsumerId>,
    /// As the workload's contract defines it.
    pub body: Payload,
}

impl Task {
    pub fn to_message(&self, now: SystemTime) -> Message {
        let message = Message::new(kind::TASK, self.address.task.to_string(), self.body.clone(), now);
        let mut message = self.address.write(message).with_text("class", &self.class);
        if let Some(at) = self.planned_at {
            message = message.with_integer("planned_at", at);
        }
        if !self.avoid.is_empty() {
            let avoid: Vec<&str> = self.avoid.iter().map(ConsumerId::as_str).collect();
            message = message.with_text("avoid", avoid.join(" "));
        }
        message.is_transient = self.address.workload.descriptor().queue.is_light();
        message
    }

    /// Reads all but the body, which the workload parses.
    pub fn from_message(message: &Message) -> Result<Self, Reason> {
        message.expect(kind::TASK)?;
        let avoid = message.text("avoid").unwrap_or_default().split(' ').filter(|id| !id.is_empty());
        let avoid: Result<Vec<ConsumerId>, _> = avoid.map(str::parse).collect();
        Ok(Self {
            address: Address::read(message)?,
            class: message.header_id("class")?,
            planned_at: message.integer("planned_at"),
            avoid: avoid.map_err(|error| Reason::header("avoid", &error.to_string()))?,
            body: message.payload()?,
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
        let body = Payload::bytes(vec![b' '; bytes]);
        Task { address, class: Class::from_name(b"r"), planned_at: None, avoid: Vec::new(), body }
            .to_message(SystemTime::UNIX_EPOCH)
    }

    /// Other clients may send messages that our own transport would refuse to send.
    #[test]
    fn a_task_over_the_limit_is_refused_before_its_body_is_looked_at() {
        assert!(Task::from_message(&sized(MESSAGE_BYTES_MAX)).is_ok());
        let bytes = MESSAGE_BYTES_MAX + 1;
        assert_eq!(Task::from_message(&sized(bytes)), Err(Reason::TooLarge { bytes }));
    }
}
