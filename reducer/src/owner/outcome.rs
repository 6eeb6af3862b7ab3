//! The ends of a task that was sent: its outcome and parts, a failure, or a dead letter.

use shared::protocol::id::{OpeningId, PlanHash, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Address, DeadLetter, Failure, Outcome, Part, Verdict};
use shared::system::clock::Moment;

use super::stale::Stale;
use super::{Check, Effect, Flight, Job, Known, Owner, Step, Tag, Write};
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
        if let Err(reason) = fold::of(&job.spec).check_part(&part.body) {
            return step.dead_letter(tag, format!("a part for task {task} that cannot be read: {reason}"));
        }
        step.ack(tag);
        if job.answered.contains(task.number) {
            return;
        }
        if let Some(flight) = job.flights.get_mut(&task.number) {
            flight.seen_at = now;
        }
        step.writes.push(Write::Part { part });
    }

    pub(super) fn outcome(&mut self, answered: Answered, tag: Option<Tag>, now: Moment, step: &mut Step) {
        let Answered { outcome, check, known } = answered;
        let task = outcome.address.task.clone();
        if !self.is_sent(&outcome.address, known.as_ref(), "an outcome", tag, step) {
            return;
        }
        let items = known.as_ref().map_or(0, |known| known.items);
        if self.is_cancelled(&task.job) {
            // A cancelled job's account no longer changes.
            if mutant::is(Mutant::CountLate)
                && let Some(job) = self.jobs.get_mut(&task.job)
            {
                job.counts.tasks_done += 1;
            }
            return step.ack(tag);
        }
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        step.ack(tag);
        self.changed.push(task.job.clone());
        job.counts.returns += 1;
        let failure = |reason| Failure { reason, stderr: String::new() };
        let failure = match (check, &outcome.verdict) {
            (Check::Repeat { same }, _) => {
                job.counts.duplicates += 1;
                job.counts.conflicts += u64::from(!same);
                return;
            }
            (Check::First(Ok(tally)), _) if tally.open > 0 && self.may_ask_another(&outcome, known.as_ref(), now) => {
                return self.ask_another(*outcome, tally.without_parts, now, step);
            }
            (Check::First(Ok(tally)), _) => return self.count(outcome, tally, now, step),
            (Check::First(Err(reason)), _) => failure(format!("the answer cannot be read: {reason}")),
            (Check::None, Verdict::Failed(failure)) => failure.clone(),
            (Check::None, Verdict::Done(_)) => failure("the answer was not read".to_owned()),
        };
        self.failed(&task, items, failure, *outcome, now, step);
    }

    /// Counts the first answer of a task. This is the only place that counts.
    pub(super) fn count(&mut self, outcome: Box<Outcome>, tally: Tally, now: Moment, step: &mut Step) {
        let task = outcome.address.task.clone();
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.counts.tasks_done += 1;
        job.counts.redeliveries += u64::from(outcome.redelivered);
        job.counts.items_done += tally.items_done;
        job.counts.items_failed += tally.items_failed;
        job.counts.items_untimed = job.counts.items_untimed.saturating_add(tally.items_untimed);
        job.counts.items_changed = job.counts.items_changed.saturating_add(tally.items_changed);
        job.counts.bytes_done = job.counts.bytes_done.saturating_add(tally.bytes);
        for (name, value) in tally.totals {
            let total = job.counts.totals.entry(name.to_owned()).or_default();
            *total = total.saturating_add(value);
        }
        if let Some(label) = fold::of(&job.spec).label() {
            *self.sums.entry(label.clone()).or_default() += tally.amount;
            step.writes.push(Write::Sum { label, amount: tally.amount });
        }
        self.settle(outcome, tally.without_parts, now, step);
    }

    fn settle(&mut self, outcome: Box<Outcome>, without_parts: Vec<u32>, now: Moment, step: &mut Step) {
        let task = outcome.address.task.clone();
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        let before = job.answered.prefix();
        job.answer(task.number);
        let answered = job.answered.prefix();
        step.writes.push(Write::Outcome { outcome, without_parts });
        if answered > before {
            step.effects.push(Effect::Advanced { opening: job.opening.clone(), answered });
        }
        self.send_more(&task.job, now, step);
        self.finish_if_complete(&task.job, step);
    }

    /// A task failed as a whole: tries it again after a back-off, or gives it up.
    fn failed(&mut self, task: &TaskId, items: u32, failure: Failure, outcome: Outcome, now: Moment, step: &mut Step) {
        let reason = failure.reason.as_str();
        if self.is_superseded(task, Some(outcome.address.attempt)) {
            return;
        }
        if self.retry(task, format!("{reason} (on {})", outcome.host), now) {
            let job = self.jobs.get_mut(&task.job);
            if let Some(flight) = job.and_then(|job| job.flights.get_mut(&task.number)) {
                flight.avoid(outcome.consumer);
            }
            tracing::info!(%task, reason, "A task failed and will be sent again.");
            return;
        }
        tracing::warn!(%task, reason, "A task failed for the last time.");
        let verdict = Verdict::Failed(failure);
        self.give_up(items, Box::new(Outcome { verdict, parts: None, ..outcome }), now, step);
    }

    fn give_up(&mut self, items: u32, outcome: Box<Outcome>, now: Moment, step: &mut Step) {
        let task = outcome.address.task.clone();
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.counts.tasks_failed += 1;
        job.counts.items_failed += u64::from(items);
        self.settle(outcome, Vec::new(), now, step);
    }

    /// Whether a later attempt is out. The owner ignores failures of superseded attempts, because
    /// one failure that is delivered repeatedly must not use up the task's attempts.
    pub(super) fn is_superseded(&self, task: &TaskId, attempt: Option<u32>) -> bool {
        let flight = self.jobs.get(&task.job).and_then(|job| job.flights.get(&task.number));
        flight.is_some_and(|flight| attempt.is_some_and(|attempt| attempt < flight.attempt))
    }

    /// Records a failure and schedules another attempt; `false` if the task has none left.
    fn retry(&mut self, task: &TaskId, reason: String, now: Moment) -> bool {
        let attempts_max = self.config.attempts_max;
        let Some(job) = self.jobs.get_mut(&task.job) else { return false };
        let flight = job.flights.entry(task.number).or_insert_with(|| Flight::sent(now));
        if flight.retry_at.is_some() {
            return true;
        }
        flight.failures += 1;
        flight.expired = 0;
        flight.failed = Some(reason.chars().take(limits::DEAD_REASON_CHARS).collect());
        if flight.failures >= attempts_max {
            return false;
        }
        let wait = self.jitter.back_off(limits::RETRY_DELAY, limits::RETRY_DELAY_MAX, flight.failures);
        flight.retry_at = Some(now + wait);
        true
    }

    pub(super) fn dead_letter(
        &mut self,
        dead_letter: DeadLetter,
        known: Option<Known>,
        tag: Option<Tag>,
        now: Moment,
        step: &mut Step,
    ) {
        // Ack it in any case: the broker's dead-letter queue has a copy, and a dead letter of no
        // known task needs nothing more.
        step.ack(tag);
        let task = dead_letter.task.clone();
        let is_out = |job: &&mut Job| job.is_open() && job.may_be_out(task.number);
        let Some(job) = self.jobs.get_mut(&task.job).filter(is_out) else { return };
        if dead_letter.of.as_ref().is_some_and(|(opening, _)| job.is_other(opening)) {
            return self.drop_stale(&task.job, Stale::Opening, None, step);
        }
        // Only a message that this owner sent says anything about its task.
        let is_its =
            |(opening, plan): &(OpeningId, PlanHash), known: &Known| *opening == job.opening && known.is_about(plan);
        let known = known.filter(|known| dead_letter.of.as_ref().is_some_and(|of| is_its(of, known)));
        job.counts.returns += u64::from(known.is_some());
        if !dead_letter.death.is_an_attempt() {
            return self.expired(&dead_letter, known.is_some(), now);
        }
        job.counts.dead_letters += 1;
        self.changed.push(task.job.clone());
        let reason = format!("its message was refused: {}", dead_letter.reason);
        let host = dead_letter.host.clone().unwrap_or_else(|| "unknown".to_owned());
        let attempt = dead_letter.attempt;
        step.writes.push(Write::DeadLetter { dead_letter });
        let Some(known) = known.filter(|_| !self.is_answered(&task) && !self.is_superseded(&task, attempt)) else {
            return;
        };
        if self.retry(&task, reason.clone(), now) {
            return;
        }
        let Some(job) = self.jobs.get(&task.job) else { return };
        let outcome = Outcome {
            address: Address {
                task: task.clone(),
                opening: job.opening.clone(),
                plan: known.plan,
                attempt: job.flights.get(&task.number).map_or(1, |flight| flight.attempt),
                owner: self.config.owner.clone(),
                workload: job.spec.workload(),
            },
            consumer: None,
            host,
            micros: 0,
            redelivered: false,
            verdict: Verdict::Failed(Failure { reason, stderr: String::new() }),
            parts: None,
        };
        self.give_up(known.items, Box::new(outcome), now, step);
    }
}
