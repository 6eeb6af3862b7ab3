//! A task that is out: sent, and without an outcome.

use std::time::Duration;

use shared::protocol::id::{Class, ConsumerId, PlanHash};
use shared::protocol::limits;
use shared::system::clock::Moment;

use crate::owner::{Holder, Known};

/// How often a task is given back before its job's status says so. The waits between add up to some
/// seconds.
const GIVEN_BACK_OFTEN: u32 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    /// The class whose queue it is in.
    class: Class,
    /// Number of the latest attempt. A resend keeps the number if no consumer can have tried the
    /// task.
    attempt: u32,
    /// Failures of the whole task, including refused messages of it.
    failures: u32,
    /// The last failure: reason and host.
    failed: Option<String>,
    /// How often in a row a broker policy removed the task from its queue.
    expired: u32,
    /// Whether no consumer can have tried it, so that the resend keeps the attempt number.
    untried: bool,
    /// When it was last sent, or named by the consumer that holds it.
    seen_at: Moment,
    /// When its queue was last seen to hold messages, one of which may be this task.
    queued_at: Moment,
    /// Consumers where it failed, the latest last. Others may have the files that these lack.
    avoid: Vec<ConsumerId>,
    /// How often in a row a consumer that the task avoids gave it back.
    given_back: u32,
    /// When the owner resends it, after a failure.
    retry_at: Option<Moment>,
    /// The consumer that holds a lease on it. A leased task is in no queue.
    lease: Option<Holder>,
    /// What the store has of it, if it was asked: spares a look for its outcome.
    stored: Option<Stored>,
}

/// What the store has of an open task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The open ones.
    pub items: u32,
    /// Hash of the plan up to it.
    pub plan: PlanHash,
    /// Whether there is an early answer.
    pub is_rest: bool,
}

impl Flight {
    /// A task that was sent now.
    pub fn sent(class: Class, attempt: u32, now: Moment) -> Self {
        Self {
            class,
            attempt,
            failures: 0,
            failed: None,
            expired: 0,
            untried: false,
            avoid: Vec::new(),
            given_back: 0,
            seen_at: now,
            queued_at: now,
            retry_at: None,
            lease: None,
            stored: None,
        }
    }

    /// The same under a lease.
    pub fn under(self, holder: Holder) -> Self {
        Self { lease: Some(holder), ..self }
    }

    pub fn class(&self) -> &Class {
        &self.class
    }

    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The last failure: reason and host.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// How often in a row a broker policy removed the task from its queue.
    pub const fn expired(&self) -> u32 {
        self.expired
    }

    pub const fn given_back(&self) -> u32 {
        self.given_back
    }

    pub const fn seen_at(&self) -> Moment {
        self.seen_at
    }

    /// When the owner resends it; `None` if no resend is due.
    pub const fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    pub const fn holder(&self) -> Option<&Holder> {
        self.lease.as_ref()
    }

    /// Consumers where it failed.
    pub fn avoids(&self) -> &[ConsumerId] {
        &self.avoid
    }

    /// Whether the consumers that could do the task have not taken it for some seconds.
    pub const fn waits_for_another(&self) -> bool {
        self.given_back >= GIVEN_BACK_OFTEN
    }

    /// Whether, for `silence`, no consumer named the task and its queue was not seen to hold
    /// messages.
    pub fn is_silent(&self, now: Moment, silence: Duration) -> bool {
        self.retry_at.is_none() && now.saturating_sub(self.seen_at.max(self.queued_at)) >= silence
    }

    /// Whether its resend is due.
    pub fn is_due(&self, now: Moment) -> bool {
        self.retry_at.is_some_and(|due| due <= now)
    }

    /// Whether it is in a queue or with a consumer under its delivery.
    pub const fn is_out(&self) -> bool {
        self.retry_at.is_none() && self.lease.is_none()
    }

    /// A consumer has named it.
    pub fn heard(&mut self, at: Moment) {
        self.seen_at = at;
        self.given_back = 0;
    }

    /// A part of its answer has come.
    pub fn progressed(&mut self, at: Moment) {
        self.seen_at = at;
    }

    /// Its queue holds messages. A consumer that takes one now gets the full time to name it.
    pub fn may_be_queued(&mut self, at: Moment) {
        if self.lease.is_none() {
            self.queued_at = at;
        }
    }

    /// A consumer takes a lease on it.
    pub fn leased(&mut self, holder: Holder, at: Moment) {
        self.heard(at);
        self.lease = Some(holder);
    }

    /// The whole task failed; returns how often it has.
    pub fn fail(&mut self, reason: &str) -> u32 {
        self.failures += 1;
        self.expired = 0;
        self.failed = Some(reason.chars().take(limits::DEAD_REASON_CHARS).collect());
        self.failures
    }

    /// A broker policy removed it from its queue; returns how often in a row.
    pub fn expire(&mut self, is_served: bool) -> u32 {
        self.expired = self.expired.saturating_add(1);
        self.untried = !is_served && self.expired <= limits::DELIVERY_LIMIT;
        self.expired
    }

    /// A consumer that it avoids has given it back; returns how often in a row. A redelivered task
    /// counts as tried: it may have killed the consumer that had it before.
    pub fn give_back(&mut self, redelivered: bool) -> u32 {
        self.given_back += 1;
        self.untried = !redelivered;
        self.given_back
    }

    /// The owner resends it at this moment.
    pub fn retry(&mut self, at: Moment) {
        self.retry_at = Some(at);
    }

    pub fn learn(&mut self, stored: Option<Stored>) {
        self.stored = stored;
    }

    pub const fn stored(&self) -> Option<&Stored> {
        self.stored.as_ref()
    }

    /// The task, if the store is known to have no part of its answer.
    pub fn known(&self) -> Option<Known> {
        let whole = self.stored.as_ref().filter(|stored| !stored.is_rest);
        whole.map(|Stored { items, plan, .. }| Known { items: *items, plan: plan.clone(), kept: None, rest_done: None })
    }

    /// Its rest is left to another consumer than this one.
    pub fn leave(&mut self, by: Option<ConsumerId>, now: Moment) {
        self.stored = None;
        self.retry_at = Some(now);
        self.lease = None;
        self.untried = false;
        self.avoid(by);
    }

    /// Records a consumer that could not do the task.
    pub fn avoid(&mut self, consumer: Option<ConsumerId>) {
        self.given_back = 0;
        let Some(consumer) = consumer.filter(|consumer| !self.avoid.contains(consumer)) else { return };
        if self.avoid.len() >= limits::AVOID_MAX {
            self.avoid.remove(0);
        }
        self.avoid.push(consumer);
    }

    /// It is sent again; returns whether it was leased until now.
    pub fn resend(&mut self, now: Moment) -> bool {
        self.attempt += u32::from(!std::mem::take(&mut self.untried));
        self.retry_at = None;
        self.seen_at = now;
        self.lease.take().is_some()
    }
}
