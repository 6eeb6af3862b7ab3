//! Items that one consumer cannot do but another one may: a file that is missing on the consumer's
//! machine, or that differs there. The owner asks another consumer for these once, and keeps the
//! rest of the answer.

use shared::protocol::id::ConsumerId;
use shared::protocol::message::{Outcome, Parts, Verdict};
use shared::system::clock::Moment;

use super::consumers::QueueKey;
use super::{Known, Left, Owner, Step, Write};

impl Owner {
    /// Whether another consumer can be asked for the open items, and none was asked before.
    pub(super) fn may_ask_another(&self, outcome: &Outcome, known: Option<&Known>, now: Moment) -> bool {
        let task = &outcome.address.task;
        let Some((job, known)) = self.jobs.get(&task.job).zip(known) else { return false };
        let is_first = known.kept.as_ref().is_none_or(|kept| !kept.is_left);
        let queue = job.flight(task.number).map(|flight| (job.workload(), flight.class().clone()));
        let has_other = |queue| self.consumers.has_other(&queue, outcome.consumer.as_slice(), now);
        is_first && queue.is_some_and(has_other)
    }

    /// Keeps the answered items and sends the rest to another consumer.
    pub(super) fn ask_another(&mut self, outcome: Outcome, without_parts: Vec<u32>, now: Moment, step: &mut Step) {
        let (task, Verdict::Done(answer)) = (outcome.address.task, outcome.verdict) else { return };
        let Some(flight) = self.flight_or_new(&task, 1, now) else { return };
        flight.leave(outcome.consumer.clone(), now);
        let run = outcome.parts.map(|Parts { run, .. }| run);
        step.writes.push(Write::Lapsed { task: task.clone() });
        let first = Box::new(Left { answer, run, by: outcome.consumer, to_another: true, without_parts });
        step.writes.push(Write::Kept { task: task.clone(), first });
        self.send_due(&task.job, now, step);
    }

    /// The consumers that the task should avoid: those in `asked`, or none if no other consumer
    /// serves the class. The task waits for another consumer as long as there is one, even if it is
    /// busy for long.
    pub(crate) fn avoided(&self, queue: &QueueKey, asked: Vec<ConsumerId>, now: Moment) -> Vec<ConsumerId> {
        if self.consumers.has_other(queue, &asked, now) { asked } else { Vec::new() }
    }
}
