//! Engine and store together. One turn takes any number of inputs, adds what the store knows about
//! each, commits the writes of all in one transaction, and only then hands out the effects.
//!
//! The ledger is synchronous and deterministic: its driver owns the thread, the clock and the
//! transport.

mod arrived;
mod hooks;
mod needs;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use shared::protocol::id::{JobId, OpeningId, PlanHash, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Address, Outcome, Part, Place, Planned, Task, Verdict};
use shared::protocol::reason::Reason;
use shared::system::clock::Moment;

use crate::fold::{self, DerivedTask, Fold};
use crate::owner::{Check, Config, Dead, Effect, Event, Known, Owner, TakenOver};
use crate::store::{Store, StoreError, StoredTask};
use crate::takeover::Takeover;

pub use self::arrived::Arrived;
pub use self::hooks::Hooks;
use self::hooks::NoHooks;
use self::needs::Rest;

#[derive(Debug)]
pub struct Ledger {
    owner: Owner,
    store: Store,
    /// Takeovers of the jobs whose plans are still arriving.
    takeovers: BTreeMap<JobId, Takeover>,
    /// What this turn leaves for the next one.
    rest: Rest,
}

/// A task for the driver, after the commit.
#[derive(Debug)]
pub enum Action {
    Publish(Box<Task>),
    Other(Effect),
}

impl Ledger {
    /// Resumes from the store's state. `is_fresh` says that the broker holds no messages of this
    /// store; then the first turn resends every task that was out.
    pub fn new(config: Config, store: Store, now: Moment, is_fresh: bool) -> Result<(Self, Vec<Action>), StoreError> {
        let mut ledger = Self::at_rest(config, store, now)?;
        // Keep this order: tasks that the tick sends for the first time were not out before.
        let interrupted = is_fresh.then_some(Event::Interrupted);
        let actions = ledger.turn(interrupted.into_iter().chain([Event::Tick]).map(Arrived::from).collect(), now)?;
        Ok((ledger, actions))
    }

    /// Opens a store whose owner is not running, to change something in it without sending tasks.
    pub fn at_rest(config: Config, store: Store, now: Moment) -> Result<Self, StoreError> {
        let mut owner = Owner::new(config);
        owner.restore(store.recover(now)?, store.sums()?, now);
        let rest = Rest::of(&owner, &store)?;
        Ok(Self { owner, store, takeovers: BTreeMap::new(), rest })
    }

    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Processes inputs in order; their writes are one transaction.
    ///
    /// # Errors
    /// Nothing of the turn is committed, and none of its effects may happen. The ledger cannot
    /// continue: its memory is ahead of its store.
    pub fn turn(&mut self, arrived: Vec<Arrived>, now: Moment) -> Result<Vec<Action>, StoreError> {
        self.turn_with(arrived, now, &mut NoHooks)
    }

    /// The same with hooks, for tests.
    ///
    /// # Errors
    /// See [`Ledger::turn`].
    pub fn turn_with(
        &mut self,
        arrived: Vec<Arrived>,
        now: Moment,
        hooks: &mut impl Hooks,
    ) -> Result<Vec<Action>, StoreError> {
        let mut effects = Vec::new();
        self.store.begin_turn()?;
        for arrived in arrived {
            let event = self.look_up(arrived)?;
            self.run(event, now, hooks, &mut effects)?;
        }
        self.go_on(now, hooks, &mut effects)?;
        hooks.before_accounts(&mut self.store)?;
        for job in self.owner.take_changed() {
            if let Some(job) = self.owner.job(&job) {
                self.store.write_account(job)?;
            }
        }
        self.store.commit_turn()?;
        effects.into_iter().filter_map(|effect| self.complete(effect, now).transpose()).collect()
    }

    /// Whether a turn is due though nothing has arrived: the last one left something for it.
    pub fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Runs an event, and those that follow from what it writes.
    fn run(
        &mut self,
        event: Event,
        now: Moment,
        hooks: &mut impl Hooks,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StoreError> {
        let mut events = VecDeque::from([event]);
        while let Some(mut event) = events.pop_front() {
            hooks.before_step(&self.owner, &mut event);
            let mut step = self.owner.step(event, now);
            hooks.after_step(&mut step);
            for write in &step.writes {
                self.store.write(write, now)?;
            }
            for write in &step.writes {
                events.extend(self.consequence(write)?);
            }
            effects.extend(step.effects);
        }
        Ok(())
    }

    /// Adds to an input what the store knows about it.
    fn look_up(&mut self, arrived: Arrived) -> Result<Event, StoreError> {
        Ok(match arrived {
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
            Arrived::Replay { filter, openings, reply } => {
                Event::Replay { dead: self.dead(filter.as_deref(), openings.as_deref())?, reply }
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

    /// The dead tasks that match a filter, of these openings.
    fn dead(&self, filter: Option<&str>, openings: Option<&[OpeningId]>) -> Result<Vec<Dead>, StoreError> {
        let mut dead = self.store.dead(filter)?;
        dead.retain(|dead| openings.is_none_or(|openings| openings.contains(&dead.opening)));
        Ok(dead)
    }

    /// A planned task of one of this owner's jobs. Tasks of derived plans need no look into the
    /// store.
    pub fn known(&self, task: &TaskId) -> Result<Option<Known>, StoreError> {
        match self.owner.spec(&task.job) {
            Some(spec) => match fold::of(spec) {
                fold if fold.derived().is_some() => Ok(Some(Known { items: 1, plan: PlanHash::start(), kept: None })),
                fold => self.store.known(&task.job, task.number, fold),
            },
            None => Ok(None),
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

    /// Removes earlier openings whose answers were taken over, a few tasks at a time, once the
    /// plans of their successors are complete.
    fn sweep(&mut self) -> Result<(), StoreError> {
        for job in self.owner.sweepable() {
            self.takeovers.remove(&job);
            if self.store.sweep(&job)? {
                self.owner.swept(&job);
            }
        }
        Ok(())
    }

    /// Turns an effect into an action: loads the task of a send from the store.
    fn complete(&mut self, effect: Effect, now: Moment) -> Result<Option<Action>, StoreError> {
        let Effect::Send { task, attempt } = effect else { return Ok(Some(Action::Other(effect))) };
        let opening = self.owner.job(&task.job).map(|job| job.opening().clone());
        Ok(match (self.load(task.clone(), attempt, now)?, opening) {
            (Some(Ok(task)), _) => Some(Action::Publish(Box::new(task))),
            (Some(Err(reason)), Some(opening)) => {
                self.rest.unsendable(task, opening, reason);
                None
            }
            _ => None,
        })
    }

    /// The task to send, or why it cannot be sent.
    fn load(&mut self, id: TaskId, attempt: u32, now: Moment) -> Result<Option<Result<Task, String>>, StoreError> {
        let Some(job) = self.owner.job(&id.job) else { return Ok(None) };
        let (workload, opening) = (job.workload(), job.opening().clone());
        let missing = || StoreError::Content(format!("task {id} was planned, but its row is missing"));
        let known = self.known(&id)?.ok_or_else(missing)?;
        let fold = fold::of(job.spec());
        let StoredTask { class, planned_at, mut body } = match fold.derived() {
            Some(derived) => {
                let DerivedTask { class, body } = derived.task(id.number).ok_or_else(missing)?;
                StoredTask { class, planned_at: None, body }
            }
            None => self.store.task(&id.job, id.number)?.ok_or_else(missing)?,
        };
        let mut avoid = job.flight(id.number).map(|flight| flight.avoids().to_vec()).unwrap_or_default();
        let mut plan = known.plan;
        if let Some(kept) = known.kept {
            let unreadable = |reason: Reason| StoreError::Content(format!("task {id} cannot be read: {reason}"));
            if let Some(itemwise) = fold.itemwise() {
                body = itemwise.rest(&body, &kept.open).map_err(unreadable)?;
            }
            plan = kept.rest;
            avoid.extend(kept.by.filter(|by| !avoid.contains(by)));
        }
        if job.has_needs() {
            body = match self.compose(fold, &id, body)? {
                Ok(body) => body,
                Err(reason) => return Ok(Some(Err(reason))),
            };
        }
        let avoid = self.owner.avoided(&(workload, class.clone()), avoid, now);
        let owner = self.store.owner().clone();
        let address = Address { task: id, opening, plan, attempt, owner, workload };
        Ok(Some(Ok(Task { address, class, planned_at, avoid, body })))
    }
}

/// Translates a part's item number: items of the rest of a task are numbered differently than in
/// the whole task.
fn number_as_planned(part: &mut Part, known: Option<&Known>) {
    let Some(known) = known.filter(|known| known.is_rest(&part.address.plan)) else { return };
    if let Some((item, kept)) = part.item.as_mut().zip(known.kept.as_ref()) {
        *item = kept.open.get(*item as usize).copied().unwrap_or(u32::MAX);
    }
}
