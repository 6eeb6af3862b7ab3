//! Results that were taken leave the store, unless an open task needs them. Behind a task that is open
//! for long, their contents do.

use rusqlite::{Connection, params};
use shared::protocol::id::{JobId, TaskId};

use super::{StoreError, rows};

/// The row id of a job, as an SQL expression. The parameter 1 is the job.
const JOB: &str = "(SELECT id FROM jobs WHERE job = ?1)";

/// The tables with a row for each task.
const TABLES: [&str; 4] = ["parts", "outcomes", "dead", "tasks"];

/// Removes the rows of these tasks.
pub(super) fn release(db: &Connection, job: &JobId, from: u64, below: u64) -> Result<(), StoreError> {
    for table in TABLES {
        db.prepare_cached(&format!(
            "DELETE FROM {table} WHERE job_id = {JOB} AND number >= ?2 AND number < ?3
               AND NOT EXISTS (SELECT 1 FROM needs WHERE needs.job_id = {table}.job_id AND need = {table}.number)"
        ))?
        .execute(params![job.as_str(), from, below])?;
    }
    rows::released(db, job, below)
}

/// Removes the contents of these tasks. A task without a body counts as answered, so a restart does not
/// send it again.
pub(super) fn empty(db: &Connection, job: &JobId, (from, below): (u64, u64)) -> Result<(), StoreError> {
    for change in [
        "DELETE FROM parts",
        "DELETE FROM outcomes",
        "DELETE FROM dead",
        "UPDATE tasks SET body = NULL, body_type = NULL, kept = NULL, kept_type = NULL",
    ] {
        db.prepare_cached(&format!("{change} WHERE job_id = {JOB} AND number >= ?2 AND number < ?3"))?
            .execute(params![job.as_str(), from, below])?;
    }
    Ok(())
}

/// A task waits no more: removes the rows of those that it needed, that were released before, and
/// that no other task needs.
pub(super) fn release_needs(db: &Connection, task: &TaskId) -> Result<(), StoreError> {
    for table in TABLES {
        db.prepare_cached(&format!(
            "DELETE FROM {table} WHERE job_id = {JOB} AND number < (SELECT released FROM jobs WHERE job = ?1)
               AND number IN (SELECT need.value FROM tasks JOIN json_each(tasks.needs) AS need
                              WHERE job_id = {JOB} AND tasks.number = ?2)
               AND NOT EXISTS (SELECT 1 FROM needs WHERE needs.job_id = {table}.job_id AND need = {table}.number)"
        ))?
        .execute(params![task.job.as_str(), task.number])?;
    }
    Ok(())
}
