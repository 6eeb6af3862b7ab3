//! Engine and store together: one turn takes any number of events, commits what they wrote in one
//! transaction, and only then hands out the effects.
//!
//! Synchronous and deterministic: its driver owns the thread, the clock and the transport.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use shared::clock::Moment;
use shared::id::{PlanHash, TaskId};
use shared::limits;
use shared::message::{Address, Outcome, Reason, Task, Verdict};

use crate::fold;
use crate::mutant::{self, Mutant};
use crate::owner::{Check, Config, Effect, Event, Known, Owner};
use crate::store::{Store, StoreError};

/// An owner with its store.
#[derive(Debug)]
pub struct Ledger {
    owner: Owner,
    store: Store,
}

/// What the driver is to do, after the commit.
#[derive(Debug)]
pub enum Action {
    /// Publish this task.
    Publish(Box<Task>),
    /// Something else.
    Other(Effect),
}

impl Ledger {
    /// Goes on where the store stands. `is_fresh` says that no broker holds anything of it: what
    /// was out is sent again by the first turn.
    pub fn new(config: Config, store: Store, now: Moment, is_fresh: bool) -> Result<(Self, Vec<Action>), StoreError> {
        let mut ledger = Self::at_rest(config, store, now)?;
        // In this order: what the tick sends for the first time was not out before.
        let interrupted = is_fresh.then_some(Event::Interrupted);
        let actions = ledger.turn(interrupted.into_iter().chain([Event::Tick]).collect(), now)?;
        Ok((ledger, actions))
    }

    /// Opens a store whose owner does not run: to change something of it, and send nothing.
    pub fn at_rest(config: Config, store: Store, now: Moment) -> Result<Self, StoreError> {
        let mut owner = Owner::new(config);
        owner.restore(store.recover(now)?, store.sums()?, now);
        Ok(Self { owner, store })
    }

    /// The engine, to look at.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The store, to look at.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes events in order; their writes are one transaction.
    ///
    /// # Errors
    /// Nothing of the turn is committed, and nothing of it must have an effect. The ledger cannot
    /// go on: its memory is ahead of its store.
    pub fn turn(&mut self, events: Vec<Event>, now: Moment) -> Result<Vec<Action>, StoreError> {
        let mut effects = Vec::new();
        self.store.begin_turn()?;
        for mut event in events {
            self.look_up(&mut event)?;
            let step = self.owner.step(event, now);
            for write in &step.writes {
                self.store.write(write, now)?;
            }
            effects.extend(step.effects);
        }
        if mutant::is(Mutant::SplitCommit) {
            self.store.commit_turn()?;
            self.store.begin_turn()?;
        }
        for job in self.owner.take_changed() {
            if let Some(job) = self.owner.job(&job) {
                self.store.write_account(job)?;
            }
        }
        self.store.commit_turn()?;
        effects.into_iter().filter_map(|effect| self.complete(effect).transpose()).collect()
    }

    /// Finds out from the store what the engine does not keep in memory.
    fn look_up(&self, event: &mut Event) -> Result<(), StoreError> {
        match event {
            Event::Outcome { outcome, check, known, .. } => {
                *known = self.known(&outcome.address.task)?;
                *check = self.check(outcome, known.as_ref())?;
            }
            Event::Part { part, known, .. } => *known = self.known(&part.address.task)?,
            Event::Lease { lease, known, .. } => *known = self.known(&lease.address.task)?,
            Event::Explain { job, number: Some(number), counted, .. } if *number < limits::JOB_TASKS_MAX => {
                *counted = self.store.counted(job, *number)?;
            }
            Event::Replay { filter, dead, .. } | Event::Forget { filter, dead, .. } => {
                *dead = self.store.dead(filter.as_deref())?;
            }
            Event::DeadLetter { letter, known, .. } => *known = self.known(&letter.task)?,
            _ => {}
        }
        Ok(())
    }

    fn known(&self, task: &TaskId) -> Result<Option<Known>, StoreError> {
        match self.owner.spec(&task.job) {
            Some(spec) if fold::is_derived(spec) => Ok(Some(Known { items: 1, plan: PlanHash::start() })),
            Some(_) => self.store.known(&task.job, task.number),
            None => Ok(None),
        }
    }

    fn check(&self, outcome: &Outcome, known: Option<&Known>) -> Result<Check, StoreError> {
        let Outcome { address: Address { task, .. }, verdict, parts, .. } = outcome;
        let Some(workload) = self.owner.spec(&task.job).map(|spec| spec.workload()) else { return Ok(Check::None) };
        let items = known.map_or(0, |known| known.items);
        if self.owner.is_answered(task) && !mutant::is(Mutant::NoDedupe) {
            let counted = self.store.answer(&task.job, task.number)?;
            let same = match (&counted, verdict) {
                (Some(Ok(first)), Verdict::Done(second)) => fold::is_same(workload, items, first, second),
                // A task that was given up, or that fails after it was done, gave no second answer.
                _ => true,
            };
            return Ok(Check::Repeat { same: same || mutant::is(Mutant::ConflictUnseen) });
        }
        Ok(match verdict {
            Verdict::Done(_) if !self.store.has_parts(task, parts.as_ref())? => {
                Check::First(Err(Reason::Body { detail: "not all of its parts are here".to_owned() }))
            }
            Verdict::Done(answer) => {
                let has_parts = parts.as_ref().is_some_and(|parts| parts.count > 0);
                Check::First(fold::tally(workload, items, answer, has_parts))
            }
            Verdict::Failed(_) => Check::None,
        })
    }

    /// Adds from the store what an effect needs to happen outside.
    fn complete(&mut self, effect: Effect) -> Result<Option<Action>, StoreError> {
        match effect {
            Effect::Send { task, attempt } => Ok(self.load(task, attempt)?.map(|task| Action::Publish(Box::new(task)))),
            other => Ok(Some(Action::Other(other))),
        }
    }

    fn load(&mut self, id: TaskId, attempt: u32) -> Result<Option<Task>, StoreError> {
        let Some(job) = self.owner.job(&id.job) else { return Ok(None) };
        let (workload, opening) = (job.spec.workload(), job.opening.clone());
        let (class, plan, body): (_, _, Bytes) = match fold::derive(&job.spec, id.number) {
            Some(derived) => (derived.class, PlanHash::start(), derived.body),
            None => match self.store.task(&id.job, id.number)? {
                Some(stored) => (stored.class, stored.plan, stored.body),
                None => return Err(StoreError::Content(format!("task {id} was planned and is not there"))),
            },
        };
        self.owner.note_class(&id, &class);
        let owner = self.store.owner().clone();
        Ok(Some(Task { address: Address { task: id, opening, plan, attempt, owner, workload }, class, body }))
    }
}
