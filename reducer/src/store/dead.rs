//! Dead tasks in the store: writing, finding, replaying and dropping them.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};
use shared::protocol::id::{Class, OpeningId, TaskId};
use shared::protocol::job::Counts;
use shared::protocol::limits;
use shared::protocol::message::{DeadDetail, DeadLetter, DeadState, DeadTask, Reply, Returned};
use shared::system::clock::Moment;

use super::read::id;
use super::{Reader, Store, StoreError};
use crate::fold::{self, Record};
use crate::owner::Dead;

/// Every dead task: those that failed for the last time, and those of which a message was
/// dead-lettered.
///
/// The filter (?1) is a job, a task, or a part of the reason. If it names an existing job or a task
/// of one, it is not matched against reasons, because reasons quote names. Tasks of derived plans
/// are not stored, and have one item. Of several dead letters of a task the latest is shown: with
/// one max() SQLite takes the other columns from its row.
const DEAD: &str = "
WITH all_dead AS (
    SELECT jobs.job, dead.number, 'failed' AS state, outcomes.attempt, outcomes.host,
           outcomes.reason, dead.at
    FROM dead JOIN outcomes USING (job_id, number) JOIN jobs ON jobs.id = dead.job_id
    WHERE jobs.job IS NOT NULL
    UNION ALL
    SELECT jobs.job, number, 'returned', coalesce(attempt, 1), coalesce(host, 'unknown'), reason, max(at)
    FROM dead_letters JOIN jobs ON jobs.id = dead_letters.job_id
    WHERE jobs.job IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.job_id = dead_letters.job_id
                                               AND outcomes.number = dead_letters.number)
    GROUP BY jobs.job, number
)
SELECT all_dead.job, all_dead.number, state, coalesce(tasks.items, 1), attempt, host, reason, at, jobs.opening,
       tasks.class, tasks.needs IS NOT NULL
FROM all_dead JOIN jobs USING (job)
LEFT JOIN tasks ON tasks.job_id = jobs.id AND tasks.number = all_dead.number
WHERE ?1 IS NULL OR all_dead.job = ?1 OR all_dead.job || '.' || all_dead.number = ?1
   OR instr(reason, ?1) > 0 AND NOT EXISTS (SELECT 1 FROM jobs WHERE ?1 = job OR ?1 GLOB job || '.[0-9]*')
ORDER BY at DESC, all_dead.job, all_dead.number";

/// A dead task with what identifies it to its owner.
struct Found {
    dead: DeadTask,
    opening: OpeningId,
    /// `None` for a task of a derived plan.
    class: Option<Class>,
    has_needs: bool,
}

fn read(row: &Row<'_>) -> Result<Found, StoreError> {
    let state = if row.get::<_, String>(2)? == "failed" { DeadState::Failed } else { DeadState::Returned };
    let task = TaskId { job: id(row.get(0)?)?, number: row.get(1)? };
    let (items, attempts, host) = (row.get(3)?, row.get(4)?, row.get(5)?);
    let reason = row.get::<_, Option<String>>(6)?.unwrap_or_default();
    Ok(Found {
        dead: DeadTask { task, state, items, attempts, host, reason, at: row.get(7)? },
        opening: id(row.get(8)?)?,
        class: row.get::<_, Option<String>>(9)?.map(id).transpose()?,
        has_needs: row.get(10)?,
    })
}

fn find(db: &Connection, filter: Option<&str>, mut take: impl FnMut(Found)) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(DEAD)?;
    let mut rows = statement.query(params![filter])?;
    while let Some(row) = rows.next()? {
        take(read(row)?);
    }
    Ok(())
}

pub(super) fn write_task(db: &Connection, task: &TaskId, now: Moment) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO dead (job_id, number, at) VALUES ((SELECT id FROM jobs WHERE job = ?), ?, ?)")?
        .execute(params![task.job.as_str(), task.number, now.as_secs_f64()])?;
    Ok(())
}

pub(super) fn write_dead_letter(db: &Connection, dead_letter: &DeadLetter, now: Moment) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO dead_letters (job_id, number, reason, at, host, attempt)
         VALUES ((SELECT id FROM jobs WHERE job = ?), ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        dead_letter.task.job.as_str(),
        dead_letter.task.number,
        dead_letter.reason,
        now.as_secs_f64(),
        dead_letter.host,
        dead_letter.attempt
    ])?;
    Ok(())
}

/// Removes the task's outcome, and its job's end.
pub(super) fn replay(db: &Connection, task: &TaskId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM outcomes WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        "DELETE FROM dead WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
    ] {
        db.prepare_cached(sql)?.execute(params![task.job.as_str(), task.number])?;
    }
    db.prepare_cached("UPDATE jobs SET finished_at = NULL, report_sha256 = NULL WHERE job = ?")?
        .execute([task.job.as_str()])?;
    super::needs::wait(db, task)
}

pub(super) fn forget(db: &Connection, task: &TaskId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM dead WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        "DELETE FROM dead_letters WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
    ] {
        db.prepare_cached(sql)?.execute(params![task.job.as_str(), task.number])?;
    }
    Ok(())
}

impl Store {
    /// The dead tasks that match a filter.
    pub fn dead(&self, filter: Option<&str>) -> Result<Vec<Dead>, StoreError> {
        let mut found = Vec::new();
        find(self.db.all()?, filter, |Found { dead, opening, class, has_needs }| {
            let is_failed = dead.state == DeadState::Failed;
            let DeadTask { task, items, attempts, .. } = dead;
            found.push(Dead { task, class, has_needs, opening, items, attempts, is_failed });
        })?;
        Ok(found)
    }
}

impl Reader {
    /// The latest dead tasks that match a filter, oldest first, as an owner's reply.
    pub fn dead(&self, filter: Option<&str>) -> Result<Reply, StoreError> {
        let (mut tasks, mut more, mut openings) = (Vec::new(), 0, BTreeSet::new());
        find(&self.connection, filter, |Found { mut dead, opening, .. }| {
            openings.insert(opening);
            if tasks.len() < limits::DEAD_LISTED_MAX {
                dead.reason = dead.reason.chars().take(limits::DEAD_REASON_CHARS).collect();
                tasks.push(dead);
            } else {
                more += 1;
            }
        })?;
        tasks.reverse();
        Ok(Reply::Dead { owner: self.owner()?, tasks, more, openings: openings.into_iter().collect() })
    }

    /// The details of one dead task.
    pub fn dead_task(&self, task: &TaskId) -> Result<Option<DeadDetail>, StoreError> {
        let mut found = None;
        find(&self.connection, Some(&task.to_string()), |Found { dead, .. }| {
            if dead.task == *task {
                found = Some(dead);
            }
        })?;
        let Some(dead) = found else { return Ok(None) };
        let place = params![task.job.as_str(), task.number];
        let mut statement = self.connection.prepare_cached(
            "SELECT outcomes.stderr FROM outcomes JOIN jobs ON jobs.id = outcomes.job_id
             WHERE jobs.job = ? AND number = ? AND status = 'failed'",
        )?;
        let stderr: Option<Option<String>> = statement.query_row(place, |row| row.get(0)).optional()?;
        let mut statement = self.connection.prepare_cached(
            "SELECT at, coalesce(host, 'unknown'), reason FROM dead_letters
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ? ORDER BY id DESC LIMIT ?",
        )?;
        let returned = |row: &Row<'_>| Ok(Returned { at: row.get(0)?, host: row.get(1)?, reason: row.get(2)? });
        let mut returned: Vec<Returned> = statement
            .query_map(params![task.job.as_str(), task.number, limits::DEAD_SHOWN_MAX], returned)?
            .collect::<Result<_, _>>()?;
        returned.reverse();
        let (stderr, names) = (stderr.flatten().unwrap_or_default(), self.names(task)?);
        Ok(Some(DeadDetail { dead, stderr, returned, names }))
    }

    /// The first items of a task, as a report would name them.
    fn names(&self, task: &TaskId) -> Result<Vec<String>, StoreError> {
        let Some(spec) = self.spec(&task.job)? else { return Ok(Vec::new()) };
        let Some(mut section) = self.section(&task.job, &spec, task.number)? else { return Ok(Vec::new()) };
        section.settled.answer = Some(Err(String::new()));
        let records = fold::of(&spec).records(&Counts::default(), &section.settled).unwrap_or_default();
        let name = |record| match record {
            Record::Failed { name, .. } => Some(name.display()),
            _ => None,
        };
        Ok(records.into_iter().filter_map(name).take(limits::DEAD_SHOWN_MAX).collect())
    }
}
