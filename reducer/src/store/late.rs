//! Rows that a store in memory writes late. The task of a call leaves its store a few milliseconds
//! after it came, when its result was taken, and most of them leave before anyone reads their rows.
//! These are never written at all.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::Connection;
use shared::protocol::id::{JobId, PlanHash, TaskId};
use shared::protocol::message::{Outcome, Planned, Verdict};

use super::{StoreError, rows};
use crate::owner::Write;

/// A database, and the rows that it does not have yet.
#[derive(Debug)]
pub(super) struct Late {
    connection: Connection,
    /// Whether rows may be late: nothing else reads the database, and it does not outlive the process.
    is_private: bool,
    rows: RefCell<BTreeMap<TaskId, Row>>,
}

/// The rows of one task in `tasks` and `outcomes`. Invariant: it has no others.
#[derive(Debug)]
struct Row {
    planned: Box<Planned>,
    plan: PlanHash,
    outcome: Option<Box<Outcome>>,
}

impl Late {
    pub fn new(connection: Connection, is_private: bool) -> Self {
        Self { connection, is_private, rows: RefCell::default() }
    }

    /// The database with all its rows.
    pub fn all(&self) -> Result<&Connection, StoreError> {
        for (TaskId { job, .. }, Row { planned, plan, outcome }) in self.rows.take() {
            rows::task(&self.connection, &job, &planned, &plan, None)?;
            if let Some(outcome) = outcome {
                rows::outcome(&self.connection, &outcome, None)?;
            }
        }
        Ok(&self.connection)
    }

    /// The database for statements that neither read nor change rows of tasks and outcomes.
    pub const fn other(&self) -> &Connection {
        &self.connection
    }

    /// Takes a write whose rows can be late. Otherwise this is the database to write it to.
    pub fn take(&self, write: &Write) -> Result<Option<&Connection>, StoreError> {
        if !self.is_private {
            return Ok(Some(&self.connection));
        }
        match write {
            Write::Task { job, planned, plan, kept: None } if planned.notes.needs.is_empty() => {
                let task = TaskId { job: job.clone(), number: planned.number };
                let row = Row { planned: planned.clone(), plan: plan.clone(), outcome: None };
                self.rows.borrow_mut().insert(task, row);
                Ok(None)
            }
            Write::Outcome { outcome, without_parts, cause: None } if is_plain(outcome, without_parts) => {
                match self.rows.borrow_mut().get_mut(&outcome.address.task) {
                    Some(row) => row.outcome = Some(outcome.clone()),
                    None => return Ok(Some(&self.connection)),
                }
                Ok(None)
            }
            Write::Released { job, from, below } => {
                if self.release(job, *from, *below) {
                    return Ok(Some(&self.connection));
                }
                rows::released(&self.connection, job, *below)?;
                Ok(None)
            }
            _ => self.all().map(Some),
        }
    }

    /// A task, and the hash of the plan up to it, if its row is late.
    pub fn planned(&self, job: &JobId, number: u64) -> Option<(Planned, PlanHash)> {
        let rows = self.rows.borrow();
        let row = rows.get(&TaskId { job: job.clone(), number })?;
        Some(((*row.planned).clone(), row.plan.clone()))
    }

    /// Drops the late rows of these tasks; returns whether some tasks have other rows.
    fn release(&self, job: &JobId, from: u64, below: u64) -> bool {
        let mut rows = self.rows.borrow_mut();
        let task = |number| TaskId { job: job.clone(), number };
        let late = (from..below).filter(|&number| rows.remove(&task(number)).is_some()).count();
        late as u64 != below - from
    }
}

/// Whether an outcome has a row of its own alone.
fn is_plain(outcome: &Outcome, without_parts: &[u32]) -> bool {
    matches!(outcome.verdict, Verdict::Done(_)) && outcome.parts.is_none() && without_parts.is_empty()
}
