//! Openings that were replaced by later ones. Their answers are taken over, and then they are
//! removed.

use rusqlite::{OptionalExtension, params};
use shared::protocol::id::{JobId, OpeningId, RunId};
use shared::protocol::payload::Payload;

use super::{Store, StoreError, payload};
use crate::fold::Before;

/// Tasks that one sweep removes at most, each with its outcome, parts and the like.
const SWEPT: u32 = 64;

impl Store {
    /// The row ids of the openings that this one follows, oldest first, and how many tasks each
    /// has.
    pub fn followed(&self, opening: &OpeningId) -> Result<Vec<(i64, u64)>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "WITH RECURSIVE followed (id) AS (
                 SELECT follows FROM jobs WHERE opening = ? AND follows IS NOT NULL
                 UNION SELECT jobs.follows FROM jobs JOIN followed USING (id) WHERE jobs.follows IS NOT NULL
             )
             SELECT id, coalesce((SELECT max(number) + 1 FROM tasks WHERE job_id = id), 0) FROM followed ORDER BY id",
        )?;
        let rows = statement.query_map([opening.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number and body of the first task at or after `number` that has a body.
    pub fn body_from(&self, row: i64, number: u64) -> Result<Option<(u64, Payload)>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT number, body, body_type FROM tasks WHERE job_id = ? AND number >= ? AND body IS NOT NULL
             ORDER BY number LIMIT 1",
        )?;
        let row = statement.query_row(params![row, number], |row| Ok((row.get(0)?, payload::required(row, 1)?)));
        Ok(row.optional()?)
    }

    /// A task with its answer, or with the part of the answer that there is; `None` if there is
    /// none.
    pub fn before(&self, row: i64, number: u64) -> Result<Option<Before>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT body, body_type, coalesce(answer, kept), coalesce(answer_type, kept_type),
                    coalesce(run, kept_run), coalesce(host, 'unknown')
             FROM tasks LEFT JOIN outcomes USING (job_id, number)
             WHERE job_id = ? AND number = ? AND body IS NOT NULL AND (status = 'done' OR kept IS NOT NULL)",
        )?;
        let read = |found: &rusqlite::Row<'_>| {
            let (body, answer) = (payload::required(found, 0)?, payload::required(found, 2)?);
            Ok((body, answer, found.get::<_, Option<String>>(4)?, found.get(5)?))
        };
        let Some((body, answer, run, host)) = statement.query_row(params![row, number], read).optional()? else {
            return Ok(None);
        };
        let run = run.map(RunId::try_from).transpose().map_err(|error| StoreError::Content(error.to_string()))?;
        Ok(Some(Before { body, answer, run, host, place: (row, number) }))
    }

    /// Removes some tasks of the openings that a job with a complete plan follows; returns whether
    /// nothing is left of them.
    pub(crate) fn sweep(&mut self, job: &JobId) -> Result<bool, StoreError> {
        let followed: Option<i64> = self
            .db
            .all()?
            .prepare_cached("SELECT follows FROM jobs WHERE job = ?")?
            .query_row([job.as_str()], |row| row.get(0))
            .optional()?
            .flatten();
        let Some(row) = followed else { return Ok(true) };
        self.sweep_row(row)?;
        Ok(false)
    }

    /// Removes some tasks of an opening, or its row if none is left; returns how many tasks it
    /// removed.
    pub(super) fn sweep_row(&mut self, row: i64) -> Result<usize, StoreError> {
        let last: Option<u64> = self
            .db
            .all()?
            .prepare_cached(
                "SELECT max(number) FROM (SELECT number FROM tasks WHERE job_id = ? ORDER BY number LIMIT ?)",
            )?
            .query_row(params![row, SWEPT], |row| row.get(0))?;
        let Some(last) = last else {
            self.forget_row(row)?;
            return Ok(0);
        };
        let mut removed = 0;
        for table in ["parts", "outcomes", "leases", "dead", "dead_letters", "dependants", "needs", "tasks"] {
            let sql = format!("DELETE FROM {table} WHERE job_id = ? AND number <= ?");
            removed = self.db.all()?.prepare_cached(&sql)?.execute(params![row, last])?;
        }
        Ok(removed)
    }

    /// Removes the row of an opening that has no tasks left. Its follower then follows its
    /// predecessor.
    fn forget_row(&mut self, row: i64) -> Result<(), StoreError> {
        let db = self.db.all()?;
        for table in ["parts", "outcomes", "leases", "dead", "dead_letters", "dependants", "needs", "updates"] {
            db.prepare_cached(&format!("DELETE FROM {table} WHERE job_id = ?"))?.execute([row])?;
        }
        db.prepare_cached("UPDATE jobs SET follows = (SELECT follows FROM jobs WHERE id = ?1) WHERE follows = ?1")?
            .execute([row])?;
        db.prepare_cached("DELETE FROM jobs WHERE id = ?")?.execute([row])?;
        Ok(())
    }
}
