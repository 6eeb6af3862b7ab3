//! Writing to a store: a turn is one transaction.

use rusqlite::{Connection, params};
use shared::protocol::id::{ConsumerId, JobId, OpeningId, Origin, PlanHash, ReportName, RunId, TaskId};
use shared::protocol::message::{JobRequest, Outcome, Part};
use shared::system::clock::Moment;

use super::payload::Content;
use super::{Present, Store, StoreError, rows};
use crate::fold::{self, Kept, KeptParts};
use crate::owner::{Holder, Job, Left, Write};

/// An SQL condition for the rows of one task. The parameters 1 and 2 are its job and its number.
const OF_TASK: &str = "job_id = (SELECT id FROM jobs WHERE job = ?1) AND number = ?2";

impl Store {
    pub fn begin_turn(&mut self) -> Result<(), StoreError> {
        self.db.other().execute_batch("BEGIN IMMEDIATE")?;
        let mut statement = self
            .db
            .other()
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM leases), EXISTS (SELECT 1 FROM dependants)")?;
        self.present = statement.query_row([], |row| Ok(Present { leases: row.get(0)?, dependants: row.get(1)? }))?;
        Ok(())
    }

    /// Makes the turn's writes durable. The turn's effects may happen only after this.
    pub fn commit_turn(&mut self) -> Result<(), StoreError> {
        Ok(self.db.other().execute_batch("COMMIT")?)
    }

    pub fn write(&mut self, write: &Write, now: Moment) -> Result<(), StoreError> {
        let waits = self.present.leases || self.present.dependants;
        let db = if waits { Some(self.db.all()?) } else { self.db.take(write)? };
        let Some(db) = db else { return Ok(()) };
        match write {
            Write::Open { request, opening } => write_job(db, request, opening, now)?,
            Write::Replaced { job } => {
                super::forgotten::remember(db, "job", job.as_str())?;
                db.prepare_cached("UPDATE jobs SET job = NULL, report = NULL WHERE job = ?")?
                    .execute([job.as_str()])?;
            }
            Write::Task { job, planned, plan, kept } => {
                rows::task(db, job, planned, plan, kept.as_deref())?;
                if !planned.notes.needs.is_empty() {
                    self.present.dependants = true;
                    let task = TaskId { job: job.clone(), number: planned.number };
                    super::needs::wait(db, &task)?;
                    db.prepare_cached("UPDATE jobs SET needs = 1 WHERE job = ? AND needs = 0")?
                        .execute([job.as_str()])?;
                }
                kept.as_deref().map_or(Ok(()), |kept| move_parts(db, job, planned.number, kept))?;
            }
            Write::Kept { task, first } => write_kept(db, task, first)?,
            Write::Part { part } => write_part(db, part)?,
            Write::Leased { task, attempt, holder } => {
                self.present.leases = true;
                write_lease(db, task, *attempt, holder, now)?;
            }
            Write::Lapsed { task } => end_lease(db, task)?,
            Write::Outcome { outcome, without_parts, cause } => {
                self.end_wait(&outcome.address.task)?;
                write_outcome(db, outcome, without_parts, *cause, now)?;
            }
            Write::Sent { task } => super::needs::sent(db, task)?,
            Write::Sum { label, amount } => {
                db.prepare_cached(
                    "INSERT INTO sums (label, total) VALUES (?, ?)
                     ON CONFLICT (label) DO UPDATE SET total = total + excluded.total",
                )?
                .execute(params![label, amount])?;
            }
            Write::DeadLetter { dead_letter } => super::dead::write_dead_letter(db, dead_letter, now)?,
            Write::Replayed { task } => {
                // It may wait for others again.
                self.present.dependants = true;
                super::dead::replay(db, task)?;
            }
            Write::Forgotten { task } => super::dead::forget(db, task)?,
            Write::JobForgotten { opening } => super::forgotten::forget(db, opening)?,
            Write::Released { job, from, below } => super::released::release(db, job, *from, *below)?,
            Write::Emptied { job, run } => super::released::empty(db, job, *run)?,
            Write::Update { job, version, replaces, body } => {
                super::updates::write(db, job, *version, *replaces, body)?;
            }
            Write::Cancelled { job } => {
                db.prepare_cached("DELETE FROM leases WHERE job_id = (SELECT id FROM jobs WHERE job = ?)")?
                    .execute([job.as_str()])?;
                db.prepare_cached("UPDATE jobs SET cancelled_at = ? WHERE job = ?")?
                    .execute(params![now.as_secs_f64(), job.as_str()])?;
            }
            Write::Finished { job, sha256 } => {
                db.prepare_cached("UPDATE jobs SET finished_at = ?, report_sha256 = ? WHERE job = ?")?
                    .execute(params![now.as_secs_f64(), sha256, job.as_str()])?;
            }
        }
        Ok(())
    }

    /// A task has its outcome: no consumer has a lease on it, and it waits for no other.
    fn end_wait(&self, task: &TaskId) -> Result<(), StoreError> {
        if self.present.leases {
            end_lease(self.db.other(), task)?;
        }
        if self.present.dependants {
            super::needs::settle(self.db.other(), task)?;
        }
        Ok(())
    }

    /// Writes a job's account. This is done once a turn, however many events changed it.
    pub(crate) fn write_account(&mut self, job: &Job) -> Result<(), StoreError> {
        self.db
            .other()
            .prepare_cached("UPDATE jobs SET plan_end = ?, sent = ?, answered = ?, counts = ?, plan = ? WHERE job = ?")?
            .execute(params![
                job.plan().end(),
                rows::json(job.ready().sent_below())?,
                job.answered().prefix(),
                rows::json(job.account().counts())?,
                job.plan().hash().as_str(),
                job.id().as_str()
            ])?;
        Ok(())
    }
}

fn write_job(db: &Connection, request: &JobRequest, opening: &OpeningId, now: Moment) -> Result<(), StoreError> {
    let JobRequest { job, spec, report, origin, instead_of, resume, priority } = request;
    db.prepare_cached(
        "INSERT INTO jobs (job, opening, follows, workload, spec, asked, opened_at, answered, counts, plan, report,
                           origin, unnamed, priority, label)
         VALUES (?, ?, (SELECT id FROM jobs WHERE opening = ? AND job IS NULL), ?, ?, ?, ?, 0, '{}', ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        job.as_str(),
        opening.as_str(),
        instead_of.as_ref().map(OpeningId::as_str),
        spec.workload().as_str(),
        rows::json(spec)?,
        super::jobs::asked(request)?,
        now.as_secs_f64(),
        PlanHash::start().as_str(),
        report.as_ref().map(ReportName::as_str),
        origin.as_ref().map(Origin::as_str),
        resume,
        priority,
        fold::of(spec).label()
    ])?;
    Ok(())
}

/// Moves the parts of an answer that is taken over to the task of the new plan. Parts of items that
/// are still open are dropped.
fn move_parts(db: &Connection, job: &JobId, number: u64, kept: &Kept) -> Result<(), StoreError> {
    let Some(KeptParts { from: (row, before), without }) = &kept.parts else { return Ok(()) };
    let ids = db
        .prepare_cached(
            "SELECT run, kept_run FROM tasks LEFT JOIN outcomes USING (job_id, number)
                         WHERE job_id = ? AND number = ?",
        )?
        .query_row(params![row, before], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
    let mut runs = [ids.0, ids.1].into_iter().flatten();
    let Some(first) = runs.next() else { return Ok(()) };
    db.prepare_cached(
        "UPDATE tasks SET kept_run = ? WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
    )?
    .execute(params![first, job.as_str(), number])?;
    let moved = "UPDATE parts SET job_id = (SELECT id FROM jobs WHERE job = ?), number = ?
                   WHERE job_id = ? AND number = ? AND run = ?";
    db.prepare_cached(moved)?.execute(params![job.as_str(), number, row, before, first])?;
    for run in runs {
        db.prepare_cached(moved)?.execute(params![job.as_str(), number, row, before, run])?;
        join_runs(db, job, number, &run, &first)?;
    }
    drop_parts(db, job, number, without)
}

/// Appends the parts of one run to those of another.
fn join_runs(db: &Connection, job: &JobId, number: u64, run: &str, into: &str) -> Result<(), StoreError> {
    let next: u32 = db
        .prepare_cached(&format!("SELECT coalesce(max(part) + 1, 0) FROM parts WHERE {OF_TASK} AND run = ?3"))?
        .query_row(params![job.as_str(), number, into], |row| row.get(0))?;
    db.prepare_cached(&format!("UPDATE parts SET run = ?4, part = part + ?5 WHERE {OF_TASK} AND run = ?3"))?
        .execute(params![job.as_str(), number, run, into, next])?;
    Ok(())
}

/// Drops the parts of items without a result: they were published before the item failed.
fn drop_parts(db: &Connection, job: &JobId, number: u64, items: &[u32]) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    db.prepare_cached(
        "DELETE FROM parts WHERE job_id = (SELECT id FROM jobs WHERE job = ?1) AND number = ?2
         AND item IN (SELECT value FROM json_each(?3))",
    )?
    .execute(params![job.as_str(), number, rows::json(&items)?])?;
    Ok(())
}

fn write_kept(db: &Connection, task: &TaskId, first: &Left) -> Result<(), StoreError> {
    let Left { answer, run, by, to_another, without_parts } = first;
    let known: Option<String> = db
        .prepare_cached(&format!("SELECT kept_run FROM tasks WHERE {OF_TASK}"))?
        .query_row(params![task.job.as_str(), task.number], |row| row.get(0))?;
    if let (Some(known), Some(run)) = (&known, run)
        && known != run.as_str()
    {
        join_runs(db, &task.job, task.number, run.as_str(), known)?;
    }
    db.prepare_cached(&format!(
        "UPDATE tasks SET kept = ?3, kept_type = ?4, kept_left = ?5, kept_run = coalesce(kept_run, ?6), kept_by = ?7
         WHERE {OF_TASK}"
    ))?
    .execute(params![
        task.job.as_str(),
        task.number,
        Content(answer),
        answer.content_type.as_str(),
        to_another,
        run.as_ref().map(RunId::as_str),
        by.as_ref().map(ConsumerId::as_str)
    ])?;
    // Remove the parts of other attempts: they could be taken for parts that are still to come.
    db.prepare_cached(&format!(
        "DELETE FROM parts WHERE {OF_TASK} AND run IS NOT (SELECT kept_run FROM tasks WHERE {OF_TASK})"
    ))?
    .execute(params![task.job.as_str(), task.number])?;
    drop_parts(db, &task.job, task.number, without_parts)
}

fn write_lease(db: &Connection, task: &TaskId, attempt: u32, holder: &Holder, now: Moment) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO leases (job_id, number, attempt, holder, host, at)
         VALUES ((SELECT id FROM jobs WHERE job = ?), ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        task.job.as_str(),
        task.number,
        attempt,
        holder.consumer.as_str(),
        holder.host,
        now.as_secs_f64()
    ])?;
    Ok(())
}

fn write_part(db: &Connection, part: &Part) -> Result<(), StoreError> {
    // Ignore a part that is delivered again.
    db.prepare_cached(
        "INSERT OR IGNORE INTO parts (job_id, number, run, part, item, body, body_type)
         VALUES ((SELECT id FROM jobs WHERE job = ?), ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        part.address.task.job.as_str(),
        part.address.task.number,
        part.run.as_str(),
        part.number,
        part.item,
        Content(&part.body),
        part.body.content_type.as_str(),
    ])?;
    Ok(())
}

fn end_lease(db: &Connection, task: &TaskId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM leases WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?")?
        .execute(params![task.job.as_str(), task.number])?;
    Ok(())
}

fn write_outcome(
    db: &Connection,
    outcome: &Outcome,
    without_parts: &[u32],
    cause: Option<u64>,
    now: Moment,
) -> Result<(), StoreError> {
    rows::outcome(db, outcome, cause)?;
    let task = &outcome.address.task;
    let is_failed = outcome.verdict.failure().is_some();
    if is_failed {
        super::dead::write_task(db, task, now)?;
    }
    // Most answers have no parts, so skip the query for them.
    if is_failed || outcome.parts.is_some() {
        db.prepare_cached(
            "DELETE FROM parts WHERE job_id = (SELECT id FROM jobs WHERE job = ?1) AND number = ?2 AND run IS NOT ?3
             AND run IS NOT (SELECT kept_run FROM tasks WHERE number = ?2
                             AND job_id = (SELECT id FROM jobs WHERE job = ?1))",
        )?
        .execute(params![
            task.job.as_str(),
            task.number,
            outcome.parts.as_ref().map(|parts| parts.run.as_str())
        ])?;
    }
    drop_parts(db, &task.job, task.number, without_parts)
}
