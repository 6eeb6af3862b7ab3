//! Messages that a broker policy removed from their queues. The owner resends their tasks and
//! charges no attempt.
//!
//! If consumers are there, one of them may have died of such a task before it expired. So the
//! resend gets the next attempt number, and the task is isolated in the end. After
//! [`limits::DELIVERY_LIMIT`] expirations in a row this also holds where no consumer is seen: a
//! task that kills a consumer at once does so before its first heartbeat.

use std::time::Duration;

use shared::protocol::id::Class;
use shared::protocol::limits;
use shared::protocol::message::DeadLetter;
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

use super::{Flight, Owner};

impl Owner {
    /// A dead letter of another owner, or of an earlier send, says nothing about the task.
    pub(super) fn expired(&mut self, dead_letter: &DeadLetter, is_ours: bool, now: Moment) {
        let (task, wait_max) = (&dead_letter.task, self.expired_wait_max());
        let is_spoken_for = self.is_answered(task) || self.is_superseded(task, dead_letter.attempt);
        let Some(job) = self.jobs.get(&task.job) else { return };
        let (workload, flight) = (job.spec.workload(), job.flights.get(&task.number));
        let class = flight.and_then(|flight| flight.class.as_ref());
        let is_served = class.is_none_or(|class| self.consumers.serving(workload, class).0 > 0);
        let Some(job) = self.jobs.get_mut(&task.job).filter(|_| is_ours) else { return };
        if job.counts.expired == 0 {
            tracing::warn!(
                job = %task.job,
                reason = dead_letter.reason,
                "A policy of the broker takes messages out of their queues. They are sent again; look with \
                 rabbitmqctl list_policies."
            );
        }
        job.counts.expired += 1;
        self.changed.push(task.job.clone());
        if is_spoken_for {
            return;
        }
        let flight = job.flights.entry(task.number).or_insert_with(|| Flight::sent(now));
        if flight.retry_at.is_some() || flight.lease.is_some() {
            return;
        }
        flight.expired = flight.expired.saturating_add(1);
        flight.untried = !is_served && flight.expired <= limits::DELIVERY_LIMIT;
        flight.retry_at = Some(now + self.jitter.back_off(limits::RETRY_DELAY, wait_max, flight.expired));
    }

    /// Consumers have come, so expired tasks of their classes need not wait any longer.
    pub(super) fn hurry_expired(&mut self, serves: &[(Workload, Class)], now: Moment) {
        for job in self.jobs.values_mut().filter(|job| job.is_open()) {
            let workload = job.spec.workload();
            let is_served = |class: &Class| serves.iter().any(|(served, of)| *served == workload && of == class);
            for flight in job.flights.values_mut().filter(|flight| flight.expired > 0 && flight.retry_at.is_some()) {
                if flight.class.as_ref().is_some_and(is_served) {
                    flight.retry_at = Some(now);
                }
            }
        }
    }

    /// The longest wait before a resend. A new consumer is heard within a heartbeat, so waiting
    /// longer gains nothing.
    fn expired_wait_max(&self) -> Duration {
        limits::RETRY_DELAY_MAX.min(self.config.heartbeat).max(limits::RETRY_DELAY)
    }
}
