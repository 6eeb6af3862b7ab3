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

use super::Owner;

impl Owner {
    /// A dead letter of another owner, or of an earlier send, says nothing about the task.
    pub(super) fn expired(&mut self, dead_letter: &DeadLetter, is_ours: bool, now: Moment) {
        let (task, wait_max) = (&dead_letter.task, self.expired_wait_max());
        let is_spoken_for = self.is_answered(task) || self.is_superseded(task, dead_letter.attempt);
        let Some(job) = self.jobs.get(&task.job) else { return };
        let queue = job.flight(task.number).map(|flight| (job.workload(), flight.class().clone()));
        let is_served = queue.is_none_or(|queue| self.consumers.serving(&queue).consumers > 0);
        let Some(job) = self.jobs.get_mut(&task.job).filter(|_| is_ours) else { return };
        if job.account.expired() {
            tracing::warn!(
                job = %task.job,
                reason = dead_letter.reason,
                "A policy of the broker takes messages out of their queues. They are sent again; look with \
                 rabbitmqctl list_policies."
            );
        }
        self.changed.push(task.job.clone());
        if is_spoken_for {
            return;
        }
        let Some(flight) = self.flight_or_new(task, 1, now).filter(|flight| flight.is_out()) else { return };
        let times = flight.expire(is_served);
        let wait = self.jitter.back_off(limits::RETRY_DELAY, wait_max, times);
        let flight = self.flight_or_new(task, 1, now);
        flight.into_iter().for_each(|flight| flight.retry(now + wait));
    }

    /// Consumers have come, so expired tasks of their classes need not wait any longer.
    pub(super) fn hurry_expired(&mut self, serves: &[(Workload, Class)], now: Moment) {
        for job in self.jobs.values_mut().filter(|job| job.is_open()) {
            let workload = job.workload();
            let is_served = |class: &Class| serves.iter().any(|(served, of)| *served == workload && of == class);
            for (_, flight) in job.flights_mut() {
                if flight.expired() > 0 && flight.retry_at().is_some() && is_served(flight.class()) {
                    flight.retry(now);
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
