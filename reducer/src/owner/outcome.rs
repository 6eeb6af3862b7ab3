//! What comes back of a task: parts of its answer, and its outcome.

use shared::protocol::id::TaskId;
use shared::protocol::message::{Failure, Outcome, Part, Verdict};
use shared::system::clock::Moment;

use super::{Check, Effect, Known, Owner, Step, Tag, Write};
use crate::fold::{self, Tally};
use crate::mutant::{self, Mutant};

/// An outcome with what the ledger found about its task.
pub(super) struct Answered {
    pub outcome: Box<Outcome>,
    pub check: Check,
    pub known: Option<Known>,
}

impl Owner {
    /// Keeps a part until the outcome of the same run comes. The ledger then checks that all parts
    /// are there.
    pub(super) fn part(
        &mut self,
        part: Box<Part>,
        known: Option<Known>,
        tag: Option<Tag>,
        now: Moment,
        step: &mut Step,
    ) {
        let task = &part.address.task;
        if !self.is_sent(&part.address, known.as_ref(), "a part", tag, step) {
            return;
        }
        // Parts of an attempt at the whole task are useless once only the rest is wanted.
        let is_of_before = known.is_some_and(|known| known.kept.is_some() && !known.is_rest(&part.address.plan));
        if self.is_cancelled(&task.job) || is_of_before {
            return step.ack(tag);
        }
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        if let Err(reason) = fold::of(job.spec()).check_part(&part.body) {
            return step.dead_letter(tag, format!("a part for task {task} that cannot be read: {reason}"));
        }
        step.ack(tag);
        if job.answered().contains(task.number) {
            return;
        }
        if let Some(flight) = job.flight_mut(task.number) {
            flight.progressed(now);
        }
        step.writes.push(Write::Part { part });
    }

    pub(super) fn outcome(&mut self, answered: Answered, tag: Option<Tag>, now: Moment, step: &mut Step) {
        let Answered { outcome, check, known } = answered;
        let task = outcome.address.task.clone();
        if !self.is_sent(&outcome.address, known.as_ref(), "an outcome", tag, step) {
            return;
        }
        let is_cancelled = self.is_cancelled(&task.job);
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        step.ack(tag);
        if is_cancelled {
            // A cancelled job's account no longer changes.
            if mutant::is(Mutant::CountLate) {
                job.account.count_late();
            }
            return;
        }
        self.changed.push(task.job.clone());
        job.account.returned(1);
        let failure = |reason| Failure { reason, stderr: String::new() };
        let failure = match (check, &outcome.verdict) {
            (Check::Repeat { same }, _) => return job.account.repeated(same),
            (Check::First(Ok(tally)), _) if tally.open > 0 && self.may_ask_another(&outcome, known.as_ref(), now) => {
                return self.ask_another(*outcome, tally.without_parts, now, step);
            }
            (Check::First(Ok(tally)), _) => {
                return self.count(outcome, tally, known, now, step);
            }
            (Check::First(Err(reason)), _) => failure(format!("the answer cannot be read: {reason}")),
            (Check::None, Verdict::Failed(failure) | Verdict::Permanent(failure)) => failure.clone(),
            (Check::None, Verdict::Done(_)) => failure("the answer was not read".to_owned()),
        };
        let items = known.map_or(0, |known| self.lost(&task.job, &known));
        self.failed(&task, items, failure, *outcome, now, step);
    }

    /// Counts the first answer of a task, of which a part may have counted early. No other place
    /// counts outcomes.
    pub(super) fn count(
        &mut self,
        outcome: Box<Outcome>,
        tally: Tally,
        known: Option<Known>,
        now: Moment,
        step: &mut Step,
    ) {
        let early = known.as_ref().and_then(|known| self.counted_early(&outcome.address.task.job, known));
        let tally = early.iter().fold(tally, Tally::after);
        let Some(job) = self.jobs.get_mut(&outcome.address.task.job) else { return };
        job.account.done(&tally, outcome.redelivered);
        if let Some(label) = fold::of(job.spec()).label() {
            self.sums.add(&label, tally.amount);
            step.writes.push(Write::Sum { label, amount: tally.amount });
        }
        let task = outcome.address.task.clone();
        let plan = known.map_or_else(|| outcome.address.plan.clone(), |known| known.plan);
        self.stream(&outcome, plan, step);
        step.writes.push(Write::Outcome { outcome, without_parts: tally.without_parts, cause: None });
        self.settled(&task, now, step);
    }

    /// A task has its one outcome, and its account is written.
    pub(super) fn settled(&mut self, task: &TaskId, now: Moment, step: &mut Step) {
        let queue = self.answered(task, step);
        if let Some(queue) = queue {
            self.fill(&queue, now, step);
        }
        self.watch(&task.job, now);
        self.finish_if_complete(&task.job, step);
    }

    /// Marks a task as answered; returns the queue in whose window it was.
    pub(super) fn answered(&mut self, task: &TaskId, step: &mut Step) -> Option<super::consumers::QueueKey> {
        let before = self.jobs.get(&task.job)?.answered().prefix();
        let queue = self.land(task);
        let job = self.jobs.get(&task.job)?;
        let answered = job.answered().prefix();
        if answered > before {
            step.effects.push(Effect::Advanced { opening: job.opening().clone(), answered });
        }
        queue
    }
}
