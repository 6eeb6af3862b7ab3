//! Jobs that are forgotten. They lose their name at once, and their rows in small steps. Openings that
//! lost their name are known for a while longer, so that what comes late about them is acked.

use rusqlite::{Connection, OptionalExtension, params};
use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::limits;
use shared::system::clock::Moment;

use super::read::id;
use super::{Store, StoreError};

/// Rows of jobs and of tasks that one sweep removes, about.
const SWEPT: usize = 1_024;

/// Keeps in mind the opening of a row that loses its name, for messages that come late. `column`
/// is the one that has this `value` there.
pub(super) fn remember(db: &Connection, column: &str, value: &str) -> Result<(), StoreError> {
    let sql = format!("INSERT OR IGNORE INTO forgotten (opening) SELECT opening FROM jobs WHERE {column} = ?");
    db.prepare_cached(&sql)?.execute([value])?;
    db.prepare_cached("DELETE FROM forgotten WHERE id <= (SELECT max(id) FROM forgotten) - ?")?
        .execute([limits::FORGOTTEN_KEPT])?;
    Ok(())
}

/// Takes an opening's name away, and has those that it follows go with it. A sum whose last job
/// goes is removed.
pub(super) fn forget(db: &Connection, opening: &OpeningId) -> Result<(), StoreError> {
    remember(db, "opening", opening.as_str())?;
    db.prepare_cached(
        "WITH RECURSIVE gone (id) AS (
             SELECT id FROM jobs WHERE opening = ?
             UNION SELECT jobs.follows FROM jobs JOIN gone USING (id) WHERE jobs.follows IS NOT NULL
         )
         UPDATE jobs SET job = NULL, report = NULL, forgotten = 1 WHERE id IN gone",
    )?
    .execute([opening.as_str()])?;
    db.prepare_cached(
        "DELETE FROM sums WHERE label = (SELECT label FROM jobs WHERE opening = ?)
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.label = sums.label AND job IS NOT NULL)",
    )?
    .execute([opening.as_str()])?;
    Ok(())
}

impl Store {
    /// Whether this opening once had a name.
    pub(crate) fn is_forgotten(&self, opening: &OpeningId) -> Result<bool, StoreError> {
        let mut statement = self.db.all()?.prepare_cached("SELECT 1 FROM forgotten WHERE opening = ?")?;
        Ok(statement.exists([opening.as_str()])?)
    }

    /// Some jobs whose reports were written before `then`, those that ended first.
    pub(crate) fn finished_before(&self, then: Moment) -> Result<Vec<(JobId, OpeningId)>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT job, opening FROM jobs WHERE job IS NOT NULL AND finished_at IS NOT NULL AND finished_at < ?
             ORDER BY finished_at LIMIT ?",
        )?;
        let rows = statement.query_map(params![then.as_secs_f64(), limits::FORGOTTEN_PER_TICK], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.map(|row| row.map_err(StoreError::from).and_then(|(job, opening)| Ok((id(job)?, id(opening)?)))).collect()
    }

    /// Removes some rows of forgotten jobs; returns whether none is left.
    pub(crate) fn sweep_forgotten(&mut self) -> Result<bool, StoreError> {
        let mut left = SWEPT;
        while left > 0 {
            let first = self
                .db
                .all()?
                .prepare_cached("SELECT id FROM jobs WHERE forgotten ORDER BY id LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()?;
            let Some(row) = first else { return Ok(true) };
            left = left.saturating_sub(1 + self.sweep_row(row)?);
        }
        Ok(false)
    }
}
