//! Tasks that need others: what the store says of them once something is written, and how their
//! bodies are made.

use std::collections::VecDeque;

use shared::protocol::id::{JobId, OpeningId, TaskId};
use shared::protocol::limits::MESSAGE_BYTES_MAX;
use shared::protocol::message::Verdict;
use shared::protocol::payload::Payload;
use shared::system::clock::Moment;

use super::{Hooks, Ledger};
use crate::fold::Fold;
use crate::owner::{Effect, Event, Owner, Write};
use crate::store::{Store, StoreError};

/// Pages of dependants that fail in one turn, at most. A turn is one transaction and must not take
/// long; a later one goes on.
const PAGES: usize = 4;

/// A failed task, some of whose dependants may not have failed yet.
#[derive(Debug, Clone)]
struct Failing {
    task: TaskId,
    opening: OpeningId,
    /// The dependants below this number have.
    from: u64,
}

/// What one turn leaves for the next. A later process finds it in the store.
#[derive(Debug, Default)]
pub(super) struct Rest {
    failed: VecDeque<Failing>,
    /// Tasks that were to be sent and cannot be, and why.
    unsendable: VecDeque<(TaskId, OpeningId, String)>,
}

impl Rest {
    /// What an earlier process has left.
    pub fn of(owner: &Owner, store: &Store) -> Result<Self, StoreError> {
        let mut rest = Self::default();
        for (job, opening) in owner.with_needs() {
            let failed = store.failed_needs(job)?.into_iter();
            let task = |number| TaskId { job: job.clone(), number };
            rest.failed.extend(failed.map(|number| Failing { task: task(number), opening: opening.clone(), from: 0 }));
        }
        Ok(rest)
    }

    pub fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.unsendable.is_empty()
    }

    pub fn unsendable(&mut self, task: TaskId, opening: OpeningId, reason: String) {
        self.unsendable.push_back((task, opening, reason));
    }
}

impl Ledger {
    /// What follows from a write for tasks that need others.
    pub(super) fn consequence(&mut self, write: &Write) -> Result<Option<Event>, StoreError> {
        match write {
            Write::Task { job, planned, .. } if !planned.notes.needs.is_empty() => {
                self.standing(&TaskId { job: job.clone(), number: planned.number })
            }
            Write::Replayed { task } if self.has_needs(&task.job) => self.standing(task),
            Write::Outcome { outcome, .. } if self.has_needs(&outcome.address.task.job) => {
                let task = &outcome.address.task;
                if let Verdict::Done(_) = outcome.verdict {
                    let tasks = self.store.release(task)?;
                    return Ok((!tasks.is_empty()).then(|| Event::Released { job: task.job.clone(), tasks }));
                }
                let opening = outcome.address.opening.clone();
                self.rest.failed.push_back(Failing { task: task.clone(), opening, from: 0 });
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn has_needs(&self, job: &JobId) -> bool {
        self.owner.job(job).is_some_and(|job| job.has_needs())
    }

    fn standing(&self, task: &TaskId) -> Result<Option<Event>, StoreError> {
        let standing = self.store.standing(task)?;
        Ok(standing.map(|standing| Event::Standing { job: task.job.clone(), standing }))
    }

    /// For how many tasks this one waits, if it needs any.
    pub(super) fn waits(&self, job: &JobId, number: u64) -> Result<Option<u64>, StoreError> {
        if !self.has_needs(job) {
            return Ok(None);
        }
        Ok(self.store.standing(&TaskId { job: job.clone(), number })?.map(|standing| standing.waits))
    }

    /// Does what the turns so far have left, or a part of it.
    pub(super) fn go_on(
        &mut self,
        now: Moment,
        hooks: &mut impl Hooks,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StoreError> {
        for (task, opening, reason) in std::mem::take(&mut self.rest.unsendable) {
            let known = self.known(&task)?;
            self.run(Event::Unsendable { task, opening, known, reason }, now, hooks, effects)?;
        }
        for _ in 0..PAGES {
            let Some(Failing { task, opening, from }) = self.rest.failed.pop_front() else { break };
            let (dependants, cause) = self.store.dependants(&task, from)?;
            if let (Some(cause), Some(last)) = (cause, dependants.last()) {
                self.rest.failed.push_front(Failing {
                    from: last.number + 1,
                    task: task.clone(),
                    opening: opening.clone(),
                });
                self.run(Event::NeedFailed { job: task.job, opening, cause, dependants }, now, hooks, effects)?;
            }
        }
        Ok(())
    }

    /// The body of a task with what it needs of other tasks' answers, or why it cannot be sent.
    pub(super) fn compose(
        &self,
        fold: &dyn Fold,
        task: &TaskId,
        body: Payload,
    ) -> Result<Result<Payload, String>, StoreError> {
        let needs = self.store.needs(task)?;
        if needs.is_empty() {
            return Ok(Ok(body));
        }
        // The answers are read one at a time: together they may be large.
        let mut lost = None;
        let mut answers = needs.iter().map_while(|&need| match self.store.answer_of(&task.job, need) {
            Ok(answer) => Some((need, answer)),
            Err(error) => {
                lost = Some(error);
                None
            }
        });
        let composed = fold.compose(body, &mut answers);
        if let Some(error) = lost {
            return Err(error);
        }
        Ok(match composed {
            Err(reason) => Err(format!("its body cannot be made of the answers that it needs: {reason}")),
            Ok(body) if body.len() > MESSAGE_BYTES_MAX => Err(format!(
                "its body, made of the answers that it needs, has {} bytes, and a message holds {MESSAGE_BYTES_MAX}",
                body.len()
            )),
            Ok(body) => Ok(body),
        })
    }
}
