//! Tasks that failed as a whole: tried again after a back-off, or given up.

use shared::protocol::id::{OpeningId, PlanHash, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Address, DeadLetter, Failure, Outcome, Verdict};
use shared::system::clock::Moment;

use super::{Job, Known, Owner, Step, Tag, Write};
use crate::fold;

impl Owner {
    pub(super) fn failed(
        &mut self,
        task: &TaskId,
        items: u32,
        failure: Failure,
        outcome: Outcome,
        now: Moment,
        step: &mut Step,
    ) {
        let reason = failure.reason.as_str();
        if self.is_superseded(task, Some(outcome.address.attempt)) {
            return;
        }
        let is_permanent = matches!(outcome.verdict, Verdict::Permanent(_));
        if !is_permanent && self.retry(task, format!("{reason} (on {})", outcome.host), now) {
            let job = self.jobs.get_mut(&task.job);
            if let Some(flight) = job.and_then(|job| job.flight_mut(task.number)) {
                flight.avoid(outcome.consumer);
            }
            tracing::info!(%task, reason, "A task failed and will be sent again.");
            return;
        }
        tracing::warn!(%task, reason, "A task failed for the last time.");
        let verdict = Verdict::Failed(failure);
        self.give_up(items, Box::new(Outcome { verdict, parts: None, ..outcome }), None, now, step);
    }

    /// `cause` is the task that failed first, if this one needs it.
    pub(super) fn give_up(
        &mut self,
        items: u32,
        outcome: Box<Outcome>,
        cause: Option<u64>,
        now: Moment,
        step: &mut Step,
    ) {
        let Some(job) = self.jobs.get_mut(&outcome.address.task.job) else { return };
        // Whoever streams the job plans them again.
        if items > 1 && job.stream().is_some() && fold::of(job.spec()).tries_items_alone() {
            job.account.failed_and_left(items);
        } else {
            job.account.failed(items);
        }
        self.changed.push(outcome.address.task.job.clone());
        let task = outcome.address.task.clone();
        let stored = self.jobs.get(&task.job).and_then(|job| job.flight(task.number)?.stored());
        let plan = stored.map_or_else(|| outcome.address.plan.clone(), |stored| stored.plan.clone());
        self.stream(&outcome, plan, step);
        step.writes.push(Write::Outcome { outcome, without_parts: Vec::new(), cause });
        self.settled(&task, now, step);
    }

    /// Whether a later attempt is out. The owner ignores failures of superseded attempts, because
    /// one failure that is delivered repeatedly must not use up the task's attempts.
    pub(super) fn is_superseded(&self, task: &TaskId, attempt: Option<u32>) -> bool {
        let flight = self.jobs.get(&task.job).and_then(|job| job.flight(task.number));
        flight.is_some_and(|flight| attempt.is_some_and(|attempt| attempt < flight.attempt()))
    }

    /// Records a failure and schedules another attempt; `false` if the task has none left.
    pub(super) fn retry(&mut self, task: &TaskId, reason: String, now: Moment) -> bool {
        let attempts_max = self.config.attempts_max;
        let Some(flight) = self.flight_or_new(task, 1, now) else { return false };
        if flight.retry_at().is_some() {
            return true;
        }
        let failures = flight.fail(&reason);
        if failures >= attempts_max {
            return false;
        }
        let wait = self.jitter.back_off(limits::RETRY_DELAY, limits::RETRY_DELAY_MAX, failures);
        if let Some(flight) = self.jobs.get_mut(&task.job).and_then(|job| job.flight_mut(task.number)) {
            flight.retry(now + wait);
        }
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
        if let Some((opening, _)) = dead_letter.of.as_ref().filter(|(opening, _)| job.is_other(opening)) {
            return self.drop_other(&task.job, opening, None, step);
        }
        // Only a message that this owner sent says anything about its task.
        let is_its =
            |(opening, plan): &(OpeningId, PlanHash), known: &Known| opening == job.opening() && known.is_about(plan);
        let known = known.filter(|known| dead_letter.of.as_ref().is_some_and(|of| is_its(of, known)));
        job.account.returned(u64::from(known.is_some()));
        if !dead_letter.death.is_an_attempt() {
            return self.expired(&dead_letter, known.is_some(), now);
        }
        job.account.dead_lettered();
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
        let failure = Failure { reason, stderr: String::new() };
        let Some(outcome) = self.unsent_failure(&task, known.plan.clone(), host, failure) else { return };
        let items = self.lost(&task.job, &known);
        self.give_up(items, Box::new(outcome), None, now, step);
    }

    /// The failed outcome of a task that no consumer has answered.
    pub(super) fn unsent_failure(
        &self,
        task: &TaskId,
        plan: PlanHash,
        host: String,
        failure: Failure,
    ) -> Option<Outcome> {
        let job = self.jobs.get(&task.job)?;
        let address = Address {
            task: task.clone(),
            opening: job.opening().clone(),
            plan,
            attempt: job.flight(task.number).map_or(1, |flight| flight.attempt()),
            owner: self.config.owner.clone(),
            workload: job.workload(),
        };
        let verdict = Verdict::Failed(failure);
        Some(Outcome { address, consumer: None, host, micros: 0, redelivered: false, verdict, parts: None })
    }
}
