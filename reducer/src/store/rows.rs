//! Single rows of a store, of a planned task and of an outcome.

use rusqlite::{Connection, params};
use serde::Serialize;
use shared::protocol::id::{JobId, PlanHash};
use shared::protocol::message::{Notes, Outcome, Planned, Verdict};

use super::StoreError;
use super::payload::Content;
use crate::fold::Kept;

/// Writes a planned task.
pub(super) fn task(
    db: &Connection,
    job: &JobId,
    planned: &Planned,
    plan: &PlanHash,
    kept: Option<&Kept>,
) -> Result<(), StoreError> {
    let text = |list: String, is_empty: bool| (!is_empty).then_some(list);
    let Notes { failed, skipped, needs } = &planned.notes;
    db.prepare_cached(
        "INSERT INTO tasks (job_id, number, class, items, body, body_type, failed, skipped, needs, plan, planned_at,
                            kept, kept_type)
         VALUES ((SELECT id FROM jobs WHERE job = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        job.as_str(),
        planned.number,
        planned.class.as_str(),
        planned.items,
        planned.body.as_ref().map(Content),
        planned.body.as_ref().map(|body| body.content_type.as_str()),
        text(json(failed)?, failed.is_empty()),
        text(json(skipped)?, skipped.is_empty()),
        text(json(needs)?, needs.is_empty()),
        plan.as_str(),
        planned.at,
        kept.map(|kept| Content(&kept.answer)),
        kept.map(|kept| kept.answer.content_type.as_str()),
    ])?;
    Ok(())
}

/// Writes the one outcome of a task; what else it changes is left to the caller.
pub(super) fn outcome(db: &Connection, outcome: &Outcome, cause: Option<u64>) -> Result<(), StoreError> {
    let (status, answer, failure) = match &outcome.verdict {
        Verdict::Done(answer) => ("done", Some(answer), None),
        Verdict::Failed(failure) | Verdict::Permanent(failure) => ("failed", None, Some(failure)),
    };
    let task = &outcome.address.task;
    db.prepare_cached(
        "INSERT INTO outcomes (job_id, number, status, attempt, answer, answer_type,
                               reason, cause, stderr, host, micros, run)
         VALUES ((SELECT id FROM jobs WHERE job = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        task.job.as_str(),
        task.number,
        status,
        outcome.address.attempt,
        answer.map(Content),
        answer.map(|answer| answer.content_type.as_str()),
        failure.map(|failure| failure.reason.as_str()),
        cause,
        failure.map(|failure| failure.stderr.as_str()).filter(|stderr| !stderr.is_empty()),
        outcome.host,
        i64::try_from(outcome.micros).unwrap_or(i64::MAX),
        outcome.parts.as_ref().map(|parts| parts.run.as_str()),
    ])?;
    Ok(())
}

/// The rows of the tasks below this number have left.
pub(super) fn released(db: &Connection, job: &JobId, below: u64) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE jobs SET released = ?2 WHERE job = ?1")?.execute(params![job.as_str(), below])?;
    Ok(())
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Content(error.to_string()))
}
