//! Engine and store together. One turn takes any number of inputs, adds what the store knows about
//! each, commits the writes of all in one transaction, and only then hands out the effects.
//!
//! The ledger is synchronous and deterministic: its driver owns the thread, the clock and the
//! transport.

mod arrived;
mod hooks;
mod look_up;
mod needs;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use shared::protocol::id::{JobId, TaskId};
use shared::protocol::limits;
use shared::protocol::message::{Address, Planned, Task};
use shared::protocol::reason::Reason;
use shared::system::clock::Moment;

use crate::fold::{self, DerivedTask};
use crate::owner::{Config, Effect, Event, Known, Owner, Stored, Write};
use crate::store::{Store, StoreError, StoredTask};
use crate::takeover::Takeover;

pub use self::arrived::Arrived;
pub use self::hooks::Hooks;
use self::hooks::NoHooks;
use self::look_up::sum_of;
use self::needs::Rest;

#[derive(Debug)]
pub struct Ledger {
    owner: Owner,
    store: Store,
    /// Takeovers of the jobs whose plans are still arriving.
    takeovers: BTreeMap<JobId, Takeover>,
    /// What this turn leaves for the next one.
    rest: Rest,
    /// Tasks that this turn has planned, so that those which it also sends are not read again.
    fresh: BTreeMap<TaskId, (StoredTask, Known)>,
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
        let jobs = store.recover(now)?.into_iter().map(|job| {
            let sum = sum_of(&store, job.spec())?;
            Ok((job, sum))
        });
        let jobs = jobs.collect::<Result<_, StoreError>>()?;
        owner.restore(jobs, store.cancelled_last(limits::CANCELLED_KEPT)?, now);
        let rest = Rest::of(&owner, &store)?;
        Ok(Self { owner, store, takeovers: BTreeMap::new(), rest, fresh: BTreeMap::new() })
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
            let event = self.look_up(arrived, now)?;
            let is_tick = matches!(event, Event::Tick);
            self.run(event, now, hooks, &mut effects)?;
            if is_tick {
                for event in self.outdated(now)? {
                    self.run(event, now, hooks, &mut effects)?;
                }
            }
        }
        self.go_on(now, hooks, &mut effects)?;
        hooks.before_accounts(&mut self.store)?;
        for job in self.owner.take_changed() {
            if let Some(job) = self.owner.job(&job) {
                self.store.write_account(job)?;
            }
        }
        // Within the transaction: outside, each look into the store takes and gives back its locks.
        let actions = effects.into_iter().filter_map(|effect| self.complete(effect, now).transpose());
        let actions = actions.collect::<Result<_, StoreError>>()?;
        self.fresh.clear();
        self.store.commit_turn()?;
        self.owner.forget_ended();
        Ok(actions)
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
                self.keep_fresh(write);
            }
            for write in &step.writes {
                events.extend(self.consequence(write)?);
            }
            effects.extend(step.effects);
        }
        Ok(())
    }

    /// Keeps a task that was planned now, if all of it is to be done.
    fn keep_fresh(&mut self, write: &Write) {
        let Write::Task { job, planned, plan, kept: None } = write else { return };
        let Planned { number, class, body: Some(body), items, at, .. } = &**planned else { return };
        let task = StoredTask { class: class.clone(), planned_at: *at, body: body.clone() };
        let known = Known { items: *items, plan: plan.clone(), kept: None, rest_done: None };
        self.fresh.insert(TaskId { job: job.clone(), number: *number }, (task, known));
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
        self.store.sweep_forgotten()?;
        Ok(())
    }

    /// Removes all rows of forgotten jobs, for a store whose owner does not run.
    ///
    /// # Errors
    /// See [`Ledger::turn`].
    pub fn sweep_all(&mut self) -> Result<(), StoreError> {
        loop {
            self.store.begin_turn()?;
            let is_swept = self.store.sweep_forgotten()?;
            self.store.commit_turn()?;
            if is_swept {
                return Ok(());
            }
        }
    }

    /// Jobs that were kept long enough.
    fn outdated(&mut self, now: Moment) -> Result<Vec<Event>, StoreError> {
        let Some(keep) = self.owner.config().keep else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        for (job, opening) in self.store.finished_before(now.saturating_sub(keep))? {
            self.bring_back(&job, now)?;
            events.push(Event::ForgetJob { job, opening: Some(opening), reply: None });
        }
        Ok(events)
    }

    /// Turns an effect into an action: loads the task of a send from the store.
    fn complete(&mut self, effect: Effect, now: Moment) -> Result<Option<Action>, StoreError> {
        let Effect::Send { task, attempt } = effect else { return Ok(Some(Action::Other(effect))) };
        Ok(match self.load(task.clone(), attempt, now)? {
            Some(Ok(task)) => Some(Action::Publish(Box::new(task))),
            Some(Err(reason)) => {
                if let Some(job) = self.owner.job(&task.job) {
                    self.rest.unsendable(task, job.opening().clone(), reason);
                }
                None
            }
            None => None,
        })
    }

    /// The task to send, or why it cannot be sent.
    fn load(&mut self, id: TaskId, attempt: u32, now: Moment) -> Result<Option<Result<Task, String>>, StoreError> {
        let Some(job) = self.owner.job(&id.job) else { return Ok(None) };
        // Later in the turn the task was answered, or its job cancelled or replaced.
        let Some(flight) = job.flight(id.number) else { return Ok(None) };
        let (workload, opening) = (job.workload(), job.opening().clone());
        let missing = || StoreError::Content(format!("task {id} was planned, but its row is missing"));
        let fold = fold::of(job.spec());
        let (StoredTask { class, planned_at, mut body }, known) = match fold.derived() {
            Some(derived) => {
                let DerivedTask { class, body } = derived.task(id.number).ok_or_else(missing)?;
                (StoredTask { class, planned_at: None, body }, Known::derived())
            }
            None => match self.fresh.remove(&id) {
                Some(fresh) => fresh,
                None => self.store.task(&id.job, id.number, fold)?.ok_or_else(missing)?,
            },
        };
        let mut avoid = flight.avoids().to_vec();
        let mut plan = known.plan;
        let early = known.kept.as_ref().map(|kept| fold.tally_early(known.items, &kept.answer));
        // A partial answer that is not early is looked up again.
        let stored = match early {
            None => Some((known.items, false)),
            Some(early) => early.map(|early| (early.open, true)),
        };
        let stored = stored.map(|(items, is_rest)| Stored { items, plan: plan.clone(), is_rest });
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
        self.owner.learn(&id, stored);
        let queue = (workload, class.clone());
        avoid.extend(self.owner.stuck(&id.job, &queue));
        avoid.truncate(limits::AVOID_MAX);
        let avoid = self.owner.avoided(&queue, avoid, now);
        let owner = self.store.owner().clone();
        let address = Address { task: id, opening, plan, attempt, owner, workload };
        Ok(Some(Ok(Task { address, class, planned_at, avoid, body })))
    }
}
