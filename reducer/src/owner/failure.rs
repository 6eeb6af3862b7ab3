//! Tasks that failed as a whole: tried again after a back-off, or given up.

use shared::protocol::id::{OpeningId, PlanHash, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Address, DeadLetter, Failure, Outcome, Verdict};
use shared::system::clock::Moment;

use super::{Job, Known, Owner, Step, Stored, Tag, Write};
use crate::fold::{self, Fold, Tally};

/// What is lost with a task that is given up.
#[derive(Debug)]
pub(super) struct Lost {
    items: u32,
    /// What stays of a part of its answer.
    stands: Option<Box<Tally>>,
}

impl Lost {
    /// The whole task, which has so many items.
    pub const fn whole(items: u32) -> Self {
        Self { items, stands: None }
    }

    pub fn of(known: &Known, fold: &dyn Fold) -> Self {
        let stands = known.kept.as_ref().and_then(|kept| fold.stands(known.items, &kept.answer));
        Self { items: known.items, stands: stands.map(Box::new) }
    }
}

impl From<Stored> for Lost {
    fn from(Stored { items, stands, .. }: Stored) -> Self {
        Self { items, stands }
    }
}

impl Owner {
    pub(super) fn failed(
        &mut self,
        task: &TaskId,
        lost: Lost,
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
        self.give_up(&lost, Box::new(Outcome { verdict, parts: None, ..outcome }), None, now, step);
    }

    /// `cause` is the task that failed first, if this one needs it.
    pub(super) fn give_up(
        &mut self,
        lost: &Lost,
        outcome: Box<Outcome>,
        cause: Option<u64>,
        now: Moment,
        step: &mut Step,
    ) {
        let Some(job) = self.jobs.get_mut(&outcome.address.task.job) else { return };
        let Lost { items, stands } = lost;
        if let Some(stands) = stands {
            job.account.failed_in_part(stands);
        } else if *items > 1 && job.stream().is_some() && fold::of(job.spec()).tries_items_alone() {
            // Whoever streams the job plans them again.
            job.account.failed_and_left(*items);
        } else {
            job.account.failed(*items);
        }
        self.changed.push(outcome.address.task.job.clone());
        let task = outcome.address.task.clone();
        self.stream(&outcome, step);
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
        let Some(lost) = self.spec(&task.job).map(|spec| Lost::of(&known, fold::of(spec))) else { return };
        let failure = Failure { reason, stderr: String::new() };
        let Some(outcome) = self.unsent_failure(&task, known.plan, host, failure) else { return };
        self.give_up(&lost, Box::new(outcome), None, now, step);
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
