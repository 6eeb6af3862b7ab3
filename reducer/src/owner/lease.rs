//! Leases: a consumer takes over a task that runs longer than the broker waits for an ack, and
//! names it in each heartbeat. The owner resends a leased task that no consumer names for two
//! heartbeats. A leased task is in no queue, so the owner does not probe one first. Of a light queue, a
//! consumer also takes over what was delivered before, and a lease that lapses is a failed attempt.

use shared::protocol::id::{ConsumerId, JobId, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Failure, Lease, LeaseBody};
use shared::system::clock::Moment;

use super::job::Flight;
use super::{Effect, Known, Owner, Step, Tag, Write};

/// The consumer that holds a leased task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub consumer: ConsumerId,
    pub host: String,
}

impl Owner {
    pub(super) fn lease(&mut self, lease: Lease, known: Option<Known>, tag: Option<Tag>, now: Moment, step: &mut Step) {
        let task = lease.address.task.clone();
        if !self.is_sent(&lease.address, known.as_ref(), "a lease", tag, step) {
            return;
        }
        if let Some(refusal) = self.refuses_early(&lease, known.as_ref()).filter(|_| !self.is_answered(&task)) {
            return step.dead_letter(tag, refusal);
        }
        step.ack(tag);
        if self.is_cancelled(&task.job) {
            return step.effects.push(Effect::Recall { openings: vec![lease.address.opening] });
        }
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.account.returned(u64::from(!lease.is_started));
        // A consumer that goes on with the whole task, of which only the rest is wanted, has no
        // result.
        let is_of_before = |known: &Known| known.kept.is_some() && !known.is_rest(&lease.address.plan);
        if known.as_ref().is_some_and(is_of_before) {
            return;
        }
        if job.answered().contains(task.number) {
            return;
        }
        let attempt = lease.address.attempt;
        let Some(flight) = self.flight_or_new(&task, attempt, now) else { return };
        if !lease.is_started {
            // The consumer gave the task back, and another one may have room. Ignore this if a
            // later attempt is already out.
            if flight.retry_at().is_some() || attempt < flight.attempt() {
                return;
            }
            let by = known.as_ref().and_then(|known| known.kept.as_ref()?.by.as_ref());
            if flight.avoids().contains(&lease.holder) || by == Some(&lease.holder) {
                // The owner offers it again after a back-off.
                let times = flight.give_back(lease.redelivered);
                let wait = self.jitter.back_off(limits::RETRY_DELAY / 4, limits::RETRY_DELAY_MAX / 10, times);
                let flight = self.flight_or_new(&task, attempt, now);
                flight.into_iter().for_each(|flight| flight.retry(now + wait));
                return;
            }
            flight.retry(now);
            return self.send_due(&task.job, now, step);
        }
        let holder = Holder { consumer: lease.holder, host: lease.host };
        flight.leased(holder.clone(), now);
        step.writes.push(Write::Leased { task: task.clone(), attempt, holder });
        if let (LeaseBody::Early { answer, micros }, Some(known)) = (lease.body, known) {
            self.keep_early(task, known, answer, micros, step);
        }
    }

    /// Resends the leased tasks whose holders are silent.
    pub(super) fn resend_lapsed(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let silence = self.config.heartbeat * 2;
        let has_lapsed = |flight: &Flight| flight.holder().is_some() && flight.is_silent(now, silence);
        let Some(job) = self.jobs.get(id) else { return };
        if !job.workload().descriptor().queue.is_light() {
            return self.resend(id, now, step, has_lapsed);
        }
        let lapsed = job.flights().iter().filter(|(_, flight)| has_lapsed(flight) && flight.retry_at().is_none());
        for number in lapsed.map(|(&number, _)| number).collect::<Vec<_>>() {
            self.holder_lost(TaskId { job: id.clone(), number }, now, step);
        }
    }

    /// The consumer that held a task of a light queue is gone, and may have died of it. No queue
    /// counts that, so the owner does.
    fn holder_lost(&mut self, task: TaskId, now: Moment, step: &mut Step) {
        let flight = self.jobs.get(&task.job).and_then(|job| job.flight(task.number));
        let Some((host, stored)) =
            flight.and_then(|flight| Some((flight.holder()?.host.clone(), flight.stored().cloned())))
        else {
            return;
        };
        let reason = "the consumer that worked on it was lost, and may have died of it".to_owned();
        tracing::warn!(%task, host, "A consumer was lost while it worked on this task.");
        if self.retry(&task, format!("{reason} (on {host})"), now) {
            return;
        }
        let Some(stored) = stored else { return };
        let failure = Failure { reason, stderr: String::new() };
        let Some(outcome) = self.unsent_failure(&task, stored.plan.clone(), host, failure) else { return };
        self.give_up(stored.items, Box::new(outcome), None, now, step);
    }
}
