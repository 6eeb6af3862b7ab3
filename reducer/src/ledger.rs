//! Engine and store together: one turn takes any number of events, commits what they wrote in one
//! transaction, and only then hands out the effects.
//!
//! Synchronous and deterministic: its driver owns the thread, the clock and the transport.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::value::RawValue;
use shared::clock::Moment;
use shared::id::TaskId;
use shared::limits;
use shared::message::{Address, Outcome, Reason, Reply, Task, Verdict};

use crate::fold;
use crate::mutant::{self, Mutant};
use crate::owner::{Check, Config, Effect, Event, Owner};
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
        owner.restore(store.recover(now)?, store.sums()?);
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
            Event::Outcome { outcome, check, items, .. } => {
                let task = &outcome.address.task;
                *items = self.items(task)?;
                *check = self.check(outcome, *items)?;
            }
            Event::Explain { job, number: Some(number), counted, .. } if *number < limits::JOB_TASKS_MAX => {
                *counted = self.store.counted(job, *number)?;
            }
            Event::Replay { filter, dead, .. } | Event::Forget { filter, dead, .. } => {
                *dead = self.store.dead(filter.as_deref())?;
            }
            Event::DeadLetter { letter, items, .. } => *items = self.items(&letter.task)?,
            _ => {}
        }
        Ok(())
    }

    fn items(&self, task: &TaskId) -> Result<u32, StoreError> {
        match self.owner.spec(&task.job) {
            Some(spec) if fold::is_derived(spec) => Ok(1),
            _ => Ok(self.store.items(&task.job, task.number)?.unwrap_or(0)),
        }
    }

    fn check(&self, outcome: &Outcome, items: u32) -> Result<Check, StoreError> {
        let Outcome { address: Address { task, .. }, verdict, parts, .. } = outcome;
        let Some(workload) = self.owner.spec(&task.job).map(|spec| spec.workload()) else { return Ok(Check::None) };
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
            Effect::Reply { to, mut reply } => {
                if let Reply::Opened(opened) = &mut *reply
                    && let Some(last) = opened.planned.checked_sub(1)
                {
                    opened.resume =
                        self.store.resume(&opened.job, last)?.and_then(|text| RawValue::from_string(text).ok());
                }
                Ok(Some(Action::Other(Effect::Reply { to, reply })))
            }
            other => Ok(Some(Action::Other(other))),
        }
    }

    fn load(&mut self, id: TaskId, attempt: u32) -> Result<Option<Task>, StoreError> {
        let Some(spec) = self.owner.spec(&id.job) else { return Ok(None) };
        let workload = spec.workload();
        let (class, body): (_, Bytes) = match fold::derive(spec, id.number) {
            Some(derived) => (derived.class, derived.body),
            None => match self.store.task(&id.job, id.number)? {
                Some(stored) => (stored.class, stored.body),
                None => return Err(StoreError::Content(format!("task {id} was planned and is not there"))),
            },
        };
        self.owner.note_class(&id, &class);
        let (owner, store) = (self.store.owner().clone(), self.store.id().clone());
        Ok(Some(Task { address: Address { task: id, attempt, owner, store, workload }, class, body }))
    }
}
