//! Items that one consumer cannot do but another one may: a file that is missing on the consumer's
//! machine, or that differs there. The owner asks another consumer for these once, and keeps the
//! rest of the answer.

use shared::protocol::id::{Class, ConsumerId};
use shared::protocol::limits;
use shared::protocol::message::{Outcome, Parts, Verdict};
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;
use shared::system::random::Jitter;

use super::{Flight, Known, Left, Owner, Step, Write};

/// How often a task is given back before its job's status says so. The waits between add up to some
/// seconds.
const GIVEN_BACK_OFTEN: u32 = 4;

impl Owner {
    /// Whether another consumer can be asked for the open items, and none was asked before.
    pub(super) fn may_ask_another(&self, outcome: &Outcome, known: Option<&Known>, now: Moment) -> bool {
        let task = &outcome.address.task;
        let Some((job, known)) = self.jobs.get(&task.job).zip(known) else { return false };
        let is_first = known.kept.as_ref().is_none_or(|kept| !kept.is_left);
        let class = job.flights.get(&task.number).and_then(|flight| flight.class.as_ref());
        let has_other = |class| self.consumers.has_other(job.spec.workload(), class, outcome.consumer.as_slice(), now);
        is_first && class.is_some_and(has_other)
    }

    /// Keeps the answered items and sends the rest to another consumer.
    pub(super) fn ask_another(&mut self, outcome: Outcome, without_parts: Vec<u32>, now: Moment, step: &mut Step) {
        let (task, Verdict::Done(answer)) = (outcome.address.task, outcome.verdict) else { return };
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        let flight = job.flights.entry(task.number).or_insert_with(|| Flight::sent(now));
        flight.retry_at = Some(now);
        flight.lease = None;
        flight.untried = false;
        flight.avoid(outcome.consumer.clone());
        let run = outcome.parts.map(|Parts { run, .. }| run);
        step.writes.push(Write::Lapsed { task: task.clone() });
        let first = Box::new(Left { answer, run, by: outcome.consumer, without_parts });
        step.writes.push(Write::Kept { task: task.clone(), first });
        self.send_due(&task.job, now, step);
    }

    /// The consumers that the task should avoid: those in `asked`, or none if no other consumer
    /// serves the class. The task waits for another consumer as long as there is one, even if it is
    /// busy for long.
    pub(crate) fn avoided(
        &self,
        workload: Workload,
        class: &Class,
        asked: Vec<ConsumerId>,
        now: Moment,
    ) -> Vec<ConsumerId> {
        if self.consumers.has_other(workload, class, &asked, now) { asked } else { Vec::new() }
    }

    /// A consumer that the task avoids has given it back. The owner offers it again after a
    /// back-off. A redelivered task counts as tried: it may have killed the consumer that had it
    /// before.
    pub(super) fn given_back(flight: &mut Flight, redelivered: bool, jitter: &mut Jitter, now: Moment) {
        flight.given_back += 1;
        flight.untried = !redelivered;
        let wait = jitter.back_off(limits::RETRY_DELAY / 4, limits::RETRY_DELAY_MAX / 10, flight.given_back);
        flight.retry_at = Some(now + wait);
    }
}

impl Flight {
    /// Whether the consumers that could do the task have not taken it for some seconds.
    pub(super) fn waits_for_another(&self) -> bool {
        self.given_back >= GIVEN_BACK_OFTEN
    }

    /// Records a consumer that could not do the task.
    pub(super) fn avoid(&mut self, consumer: Option<ConsumerId>) {
        self.given_back = 0;
        let Some(consumer) = consumer.filter(|consumer| !self.avoid.contains(consumer)) else { return };
        if self.avoid.len() >= limits::AVOID_MAX {
            self.avoid.remove(0);
        }
        self.avoid.push(consumer);
    }
}
