//! What the store knows about an input, which makes an event of it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use shared::protocol::id::{JobId, OpeningId, TaskId};
use shared::protocol::job::{JobSpec, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{Address, JobRequest, Outcome, Part, Place, Planned, Verdict};
use shared::protocol::reason::Reason;
use shared::system::clock::Moment;

use super::{Arrived, Ledger};
use crate::fold::{self, Fold};
use crate::mutant::{self, Mutant};
use crate::owner::{Check, Dead, Event, Flight, Known, Remembered, ReplyTo, TakenOver};
use crate::store::{Store, StoreError};
use crate::takeover::Takeover;

impl Ledger {
    /// Adds to an input what the store knows about it.
    pub(super) fn look_up(&mut self, arrived: Arrived, now: Moment) -> Result<Event, StoreError> {
        if let Some(late) = self.late(&arrived, now)? {
            return Ok(late);
        }
        Ok(match arrived {
            Arrived::Open { request, opening, reply } => self.asked(*request, opening, reply, now)?,
            Arrived::Jobs { reply } => {
                let latest = self.store.latest(limits::JOBS_LISTED_MAX as u32)?;
                Event::Jobs { latest, reply }
            }
            Arrived::Presence(presence) => {
                let unknown = presence.holds.iter().map(|held| &held.opening);
                let unknown: BTreeSet<_> = unknown.filter(|opening| !self.owner.knows(opening)).cloned().collect();
                let spec = |opening: OpeningId| Ok(self.store.cancelled(&opening)?.map(|spec| (opening, spec)));
                let cancelled = unknown.into_iter().filter_map(|opening| spec(opening).transpose());
                Event::Presence { cancelled: cancelled.collect::<Result<_, StoreError>>()?, presence }
            }
            Arrived::Planned { job, place, planned, tag } => {
                let kept = self.taken_over(&job, &place, &planned)?;
                Event::Planned { job, place, planned, kept, tag }
            }
            Arrived::Outcome { mut outcome, tag } => {
                let known = self.known(&outcome.address.task)?;
                let check = self.check(&mut outcome, known.as_ref())?;
                Event::Outcome { outcome, check, known, tag }
            }
            Arrived::Part { mut part, tag } => {
                let known = self.known(&part.address.task)?;
                number_as_planned(&mut part, known.as_ref());
                Event::Part { part, known, tag }
            }
            Arrived::Lease { lease, tag } => {
                let known = self.known(&lease.address.task)?;
                Event::Lease { lease, known, tag }
            }
            Arrived::DeadLetter { dead_letter, tag } => {
                let known = self.known(&dead_letter.task)?;
                Event::DeadLetter { dead_letter, known, tag }
            }
            Arrived::Explain { job, number, reply } => {
                let number_in_store = number.filter(|&number| number < limits::JOB_TASKS_MAX);
                let counted = number_in_store.map(|number| self.store.counted(&job, number)).transpose()?.flatten();
                let waits = number_in_store.map(|number| self.waits(&job, number)).transpose()?.flatten();
                Event::Explain { job, number, counted, waits, reply }
            }
            Arrived::Updates { job, opening, after, reply } => {
                let updates = self.store.updates(&opening, after)?;
                Event::Updates { job, opening, updates, reply }
            }
            Arrived::Replay { filter, openings, reply } => {
                let dead = self.dead(filter.as_deref(), openings.as_deref())?;
                for dead in &dead {
                    self.bring_back(&dead.task.job, now)?;
                }
                Event::Replay { dead, reply }
            }
            Arrived::Forget { filter, openings, reply } => {
                Event::Forget { dead: self.dead(filter.as_deref(), openings.as_deref())?, reply }
            }
            Arrived::Complete(event) => {
                if matches!(event, Event::Tick) {
                    self.sweep()?;
                }
                event
            }
        })
    }

    /// A message that comes too late: about a job that was forgotten, or about a task of which
    /// nothing is left. The job of any other message is in memory afterwards, if there is one.
    fn late(&mut self, arrived: &Arrived, now: Moment) -> Result<Option<Event>, StoreError> {
        let Some(job) = arrived.job() else { return Ok(None) };
        self.bring_back(job, now)?;
        let Some(known) = self.owner.job(job) else {
            let Some((opening, tag)) = arrived.of_opening() else { return Ok(None) };
            let is_late = self.store.is_forgotten(opening)? && !mutant::is(Mutant::RefuseLate);
            return Ok(is_late.then_some(Event::Late { tag }));
        };
        let past = arrived.of_task().filter(|(task, _)| known.stream().is_some_and(|stream| stream.is_past(*task)));
        Ok(past.map(|(_, tag)| Event::Late { tag }))
    }

    /// Takes a job into memory that is in the store alone.
    pub(super) fn bring_back(&mut self, job: &JobId, now: Moment) -> Result<(), StoreError> {
        if self.owner.job(job).is_none()
            && let Some(job) = self.store.recover_one(job, now)?
        {
            let sum = sum_of(&self.store, job.spec())?;
            self.owner.adopt(job, sum);
        }
        Ok(())
    }

    /// A request for a job, with what the store knows about it. One without an id may continue
    /// another job.
    fn asked(
        &mut self,
        request: JobRequest,
        opening: OpeningId,
        reply: ReplyTo,
        now: Moment,
    ) -> Result<Event, StoreError> {
        let request = match self.store.unended(&request)? {
            Some(job) => JobRequest { job, ..request },
            None => request,
        };
        self.bring_back(&request.job, now)?;
        let opening = OpeningId::in_store(self.store.id(), &opening);
        let (ended_before, namesake) = (self.store.ended_before(&request, now)?, self.store.namesake(&request)?);
        let sum = sum_of(&self.store, &request.spec)?;
        Ok(Event::Open { request: Box::new(request), opening, ended_before, namesake, sum, reply })
    }

    /// The status of a job, in memory or not.
    pub fn status(&self, job: &JobId, now: Moment) -> Result<Option<JobStatus>, StoreError> {
        if let Some(status) = self.owner.status(job, now) {
            return Ok(Some(status));
        }
        let Some(job) = self.store.recover_one(job, now)? else { return Ok(None) };
        let sum = sum_of(&self.store, job.spec())?;
        Ok(Some(self.owner.status_of(&job, sum, now)))
    }

    /// The dead tasks that match a filter, of these openings.
    fn dead(&self, filter: Option<&str>, openings: Option<&[OpeningId]>) -> Result<Vec<Dead>, StoreError> {
        let mut dead = self.store.dead(filter)?;
        dead.retain(|dead| openings.is_none_or(|openings| openings.contains(&dead.opening)));
        Ok(dead)
    }

    /// A planned task of one of this owner's jobs. Tasks of derived plans need no look into the
    /// store.
    pub fn known(&self, task: &TaskId) -> Result<Option<Known>, StoreError> {
        let flight = self.owner.job(&task.job).and_then(|job| job.flight(task.number));
        if let Some(known) = flight.and_then(Flight::known) {
            return Ok(Some(known));
        }
        let stream = self.owner.job(&task.job).and_then(|job| job.stream());
        if let Some(Remembered { plan, rest, .. }) = stream.and_then(|stream| stream.remembered(task.number)) {
            return Ok(Some(Known { items: 0, plan: plan.clone(), kept: None, rest_done: rest.clone() }));
        }
        let spec = match self.owner.spec(&task.job) {
            Some(spec) => Cow::Borrowed(spec),
            None => match self.store.spec(&task.job)? {
                Some(spec) => Cow::Owned(spec),
                None => return Ok(None),
            },
        };
        match fold::of(&spec) {
            fold if fold.derived().is_some() => Ok(Some(Known::derived())),
            fold => self.store.known(&task.job, task.number, fold),
        }
    }

    /// Whether an outcome is the first of its task or a repeat, and whether its answer can be read.
    fn check(&self, outcome: &mut Outcome, known: Option<&Known>) -> Result<Check, StoreError> {
        let task = outcome.address.task.clone();
        let Some(fold) = self.owner.spec(&task.job).map(fold::of) else { return Ok(Check::None) };
        let items = known.map_or(0, |known| known.items);
        if let Some((known, kept)) = known.and_then(|known| Some((known, known.kept.as_ref()?))) {
            // This outcome is of an attempt at the whole task, but only its rest is still wanted.
            if !known.is_rest(&outcome.address.plan) {
                return Ok(Check::Repeat { same: true });
            }
            if let (Verdict::Done(rest), Some(itemwise)) = (&outcome.verdict, fold.itemwise()) {
                match itemwise.merge(items, &kept.answer, rest) {
                    Ok(answer) => outcome.verdict = Verdict::Done(answer),
                    Err(reason) => return Ok(Check::First(Err(reason))),
                }
            }
        }
        self.check_whole(fold, outcome, items, known)
    }

    fn check_whole(
        &self,
        fold: &dyn Fold,
        outcome: &Outcome,
        items: u32,
        known: Option<&Known>,
    ) -> Result<Check, StoreError> {
        let Outcome { address: Address { task, .. }, verdict, parts, .. } = outcome;
        if self.owner.is_answered(task) {
            let stream = self.owner.job(&task.job).and_then(|job| job.stream());
            if let Some(Remembered { digest, .. }) = stream.and_then(|stream| stream.remembered(task.number)) {
                let same = match (digest, verdict) {
                    (Some(first), Verdict::Done(second)) => first.agrees(&fold.digest(second)),
                    _ => true,
                };
                return Ok(Check::Repeat { same });
            }
            let counted = self.store.answer(&task.job, task.number)?;
            let same = match (&counted, verdict) {
                (Some(Ok(first)), Verdict::Done(second)) => fold.is_same(items, first, second),
                // A task that was given up, or that fails after it was done, has no second answer
                // to compare.
                _ => true,
            };
            return Ok(Check::Repeat { same });
        }
        Ok(match verdict {
            Verdict::Done(_) if !self.store.has_parts(task, parts.as_ref())? => {
                Check::First(Err(Reason::Body { detail: "not all of its parts have arrived".to_owned() }))
            }
            Verdict::Done(answer) => {
                let kept_parts = known.and_then(|known| known.kept.as_ref()).is_some_and(|kept| kept.has_parts);
                let has_parts = kept_parts || parts.as_ref().is_some_and(|parts| parts.count > 0);
                Check::First(fold.tally(items, answer, has_parts))
            }
            Verdict::Failed(_) | Verdict::Permanent(_) => Check::None,
        })
    }

    /// What a task takes over from an earlier opening of its job.
    fn taken_over(
        &mut self,
        job: &JobId,
        place: &Place,
        planned: &Planned,
    ) -> Result<Option<Box<TakenOver>>, StoreError> {
        let Some(known) = self.owner.job(job).filter(|known| known.follows() && !known.is_other(&place.opening)) else {
            return Ok(None);
        };
        let Some(body) = planned.body.as_ref().filter(|_| !known.plan().contains(planned.number)) else {
            return Ok(None);
        };
        let is_its = |takeover: &Takeover| takeover.opening == place.opening;
        if !self.takeovers.get(job).is_some_and(is_its) {
            self.takeovers.insert(job.clone(), Takeover::new(&self.store, place.opening.clone())?);
        }
        let Some(takeover) = self.takeovers.get_mut(job) else { return Ok(None) };
        let fold = fold::of(known.spec());
        let Some(itemwise) = fold.itemwise() else { return Ok(None) };
        let Some(kept) = takeover.find(&self.store, itemwise, body)? else { return Ok(None) };
        let tally = fold.tally(planned.items, &kept.answer, kept.parts.is_some());
        let whole = tally.ok().filter(|tally| tally.open == 0);
        Ok(Some(Box::new(TakenOver { kept, whole })))
    }
}

/// The sum of a job's label in the store; 0 if it has none.
pub(super) fn sum_of(store: &Store, spec: &JobSpec) -> Result<i64, StoreError> {
    fold::of(spec).label().map_or(Ok(0), |label| store.sum(&label))
}

/// Translates a part's item number: items of the rest of a task are numbered differently than in
/// the whole task.
fn number_as_planned(part: &mut Part, known: Option<&Known>) {
    let Some(known) = known.filter(|known| known.is_rest(&part.address.plan)) else { return };
    if let Some((item, kept)) = part.item.as_mut().zip(known.kept.as_ref()) {
        *item = kept.open.get(*item as usize).copied().unwrap_or(u32::MAX);
    }
}
