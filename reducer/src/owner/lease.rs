//! Leases: a consumer takes over a task that runs longer than the broker waits for an ack, and
//! names it in each heartbeat. The owner resends a leased task that no consumer names for two
//! heartbeats. A leased task is in no queue, so the owner does not probe one first.

use shared::protocol::id::{ConsumerId, JobId};
use shared::protocol::limits;
use shared::protocol::message::Lease;
use shared::system::clock::Moment;

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
        step.ack(tag);
        if self.is_cancelled(&task.job) {
            return step.effects.push(Effect::Recall { openings: vec![lease.address.opening] });
        }
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.account.returned(u64::from(!lease.is_started));
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
            let by = known.and_then(|known| known.kept?.by);
            if flight.avoids().contains(&lease.holder) || by.as_ref() == Some(&lease.holder) {
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
        step.writes.push(Write::Leased { task, attempt, holder });
    }

    /// Resends the leased tasks whose holders are silent.
    pub(super) fn resend_lapsed(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let silence = self.config.heartbeat * 2;
        self.resend(id, now, step, |flight| flight.holder().is_some() && flight.is_silent(now, silence));
    }
}
