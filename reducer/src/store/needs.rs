//! Tasks that need the answers of earlier ones. They wait here, and not in the owner's memory.

use rusqlite::{Connection, OptionalExtension, params};
use shared::protocol::id::{Class, JobId, PlanHash, TaskId};
use shared::protocol::payload::Payload;

use super::read::id;
use super::{Store, StoreError, payload};
use crate::owner::{Cause, Dependant, Standing};

/// Dependants of one task that are looked up at a time.
const PAGE: u32 = 1_000;

/// The row id of a job, as an SQL expression. The parameter 1 is the job.
const JOB: &str = "(SELECT id FROM jobs WHERE job = ?1)";

/// A task waits from now on for those of its needs that are not done. One without a body has
/// nothing to answer, and counts as done.
pub(super) fn wait(db: &Connection, task: &TaskId) -> Result<(), StoreError> {
    let place = params![task.job.as_str(), task.number];
    db.prepare_cached(&format!(
        "INSERT INTO needs (job_id, need, number)
         SELECT job_id, need.value, number FROM tasks JOIN json_each(tasks.needs) AS need
         WHERE job_id = {JOB} AND number = ?2"
    ))?
    .execute(place)?;
    db.prepare_cached(&format!(
        "INSERT INTO dependants (job_id, number, waits)
         SELECT tasks.job_id, tasks.number,
                (SELECT count(*) FROM json_each(tasks.needs) AS need
                 JOIN tasks AS needed ON needed.job_id = tasks.job_id AND needed.number = need.value
                 LEFT JOIN outcomes ON outcomes.job_id = needed.job_id AND outcomes.number = needed.number
                 WHERE needed.body IS NOT NULL AND outcomes.status IS NOT 'done')
         FROM tasks WHERE job_id = {JOB} AND number = ?2 AND needs IS NOT NULL"
    ))?
    .execute(place)?;
    Ok(())
}

/// A task has its outcome, and waits no more.
pub(super) fn settle(db: &Connection, task: &TaskId) -> Result<(), StoreError> {
    let place = params![task.job.as_str(), task.number];
    let waited =
        db.prepare_cached(&format!("DELETE FROM dependants WHERE job_id = {JOB} AND number = ?2"))?.execute(place)?;
    if waited > 0 {
        db.prepare_cached(&format!(
            "DELETE FROM needs WHERE job_id = {JOB} AND number = ?2 AND need IN
                 (SELECT need.value FROM tasks JOIN json_each(tasks.needs) AS need
                  WHERE job_id = {JOB} AND number = ?2)"
        ))?
        .execute(place)?;
        super::released::release_needs(db, task)?;
    }
    Ok(())
}

pub(super) fn sent(db: &Connection, task: &TaskId) -> Result<(), StoreError> {
    db.prepare_cached(&format!("UPDATE dependants SET sent = 1 WHERE job_id = {JOB} AND number = ?2"))?
        .execute(params![task.job.as_str(), task.number])?;
    Ok(())
}

impl Store {
    /// A task is done: those that need it wait for one task less. Returns the class and number of
    /// each that waits for none now.
    pub(crate) fn release(&mut self, done: &TaskId) -> Result<Vec<(Class, u64)>, StoreError> {
        let mut released = Vec::new();
        let sql = format!(
            "UPDATE dependants SET waits = waits - 1
             WHERE job_id = {JOB}
               AND number IN (SELECT number FROM needs WHERE job_id = {JOB} AND need = ?2)
             RETURNING number, waits"
        );
        let mut statement = self.db.all()?.prepare_cached(&sql)?;
        let rows = statement
            .query_map(params![done.job.as_str(), done.number], |row| {
                Ok((row.get::<_, u64>(0)?, row.get::<_, i64>(1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        for (number, _) in rows.into_iter().filter(|(_, waits)| *waits == 0) {
            released.push((self.class(&done.job, number)?, number));
        }
        released.sort_by_key(|(_, number)| *number);
        Ok(released)
    }

    fn class(&self, job: &JobId, number: u64) -> Result<Class, StoreError> {
        let sql = format!("SELECT class FROM tasks WHERE job_id = {JOB} AND number = ?2");
        id(self.db.all()?.prepare_cached(&sql)?.query_row(params![job.as_str(), number], |row| row.get(0))?)
    }

    /// How an open task with needs stands; `None` for other tasks.
    pub(crate) fn standing(&self, task: &TaskId) -> Result<Option<Standing>, StoreError> {
        let place = params![task.job.as_str(), task.number];
        let sql = format!(
            "SELECT tasks.class, tasks.items, tasks.plan, waits FROM dependants JOIN tasks USING (job_id, number)
             WHERE job_id = {JOB} AND number = ?2"
        );
        let mut statement = self.db.all()?.prepare_cached(&sql)?;
        let mut rows = statement.query(place)?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (class, plan) = (id(row.get(0)?)?, id(row.get(2)?)?);
        let dependant = Dependant { number: task.number, items: row.get(1)?, plan };
        let waits = row.get(3)?;
        let sql = format!(
            "SELECT outcomes.number, cause, reason FROM tasks JOIN json_each(tasks.needs) AS need
             JOIN outcomes ON outcomes.job_id = tasks.job_id AND outcomes.number = need.value
             WHERE tasks.job_id = {JOB} AND tasks.number = ?2 AND outcomes.status = 'failed'
             ORDER BY outcomes.number LIMIT 1"
        );
        let cause = self.db.all()?.prepare_cached(&sql)?.query_row(place, cause).optional()?;
        Ok(Some(Standing { class, dependant, waits, cause }))
    }

    /// A page of the open tasks from number `from` on that need a failed one, and why it failed.
    /// Empty if there are no more, or the task has not failed.
    pub(crate) fn dependants(&self, failed: &TaskId, from: u64) -> Result<(Vec<Dependant>, Option<Cause>), StoreError> {
        let place = params![failed.job.as_str(), failed.number];
        let sql = format!(
            "SELECT number, cause, reason FROM outcomes WHERE job_id = {JOB} AND number = ?2 AND status = 'failed'"
        );
        let cause = self.db.all()?.prepare_cached(&sql)?.query_row(place, cause).optional()?;
        if cause.is_none() {
            return Ok((Vec::new(), None));
        }
        let sql = format!(
            "SELECT tasks.number, tasks.items, tasks.plan FROM needs
             JOIN dependants USING (job_id, number) JOIN tasks USING (job_id, number)
             WHERE needs.job_id = {JOB} AND needs.need = ?2 AND needs.number >= ?3 ORDER BY needs.number LIMIT {PAGE}"
        );
        let mut statement = self.db.all()?.prepare_cached(&sql)?;
        let mut rows = statement.query(params![failed.job.as_str(), failed.number, from])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let plan: PlanHash = id(row.get(2)?)?;
            found.push(Dependant { number: row.get(0)?, items: row.get(1)?, plan });
        }
        Ok((found, cause))
    }

    /// The failed tasks of a job that open tasks need: what an earlier process had not passed on.
    pub(crate) fn failed_needs(&self, job: &JobId) -> Result<Vec<u64>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(&format!(
            "SELECT DISTINCT needs.need FROM needs JOIN dependants USING (job_id, number)
             JOIN outcomes ON outcomes.job_id = needs.job_id AND outcomes.number = needs.need
             WHERE needs.job_id = {JOB} AND outcomes.status = 'failed'"
        ))?;
        let numbers = statement.query_map([job.as_str()], |row| row.get(0))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// The numbers that a task needs; empty for most tasks.
    pub(crate) fn needs(&self, task: &TaskId) -> Result<Vec<u64>, StoreError> {
        let sql = format!("SELECT needs FROM tasks WHERE job_id = {JOB} AND number = ?2");
        let place = params![task.job.as_str(), task.number];
        let needs: Option<Option<String>> =
            self.db.all()?.prepare_cached(&sql)?.query_row(place, |row| row.get(0)).optional()?;
        let parse = |text: String| serde_json::from_str(&text).map_err(|error| StoreError::Content(error.to_string()));
        Ok(needs.flatten().map(parse).transpose()?.unwrap_or_default())
    }

    /// The answer of a task that is done; `None` if it has none.
    pub(crate) fn answer_of(&self, job: &JobId, number: u64) -> Result<Option<Payload>, StoreError> {
        let sql = format!(
            "SELECT answer, answer_type FROM outcomes WHERE job_id = {JOB} AND number = ?2 AND status = 'done'"
        );
        let place = params![job.as_str(), number];
        Ok(self.db.all()?.prepare_cached(&sql)?.query_row(place, |row| payload::read(row, 0)).optional()?.flatten())
    }
}

/// Reads number, cause and reason of a failed task: what its dependants fail of.
fn cause(row: &rusqlite::Row<'_>) -> rusqlite::Result<Cause> {
    let (number, cause, reason): (u64, Option<u64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Cause { task: cause.unwrap_or(number), reason, is_own: cause.is_none() })
}
