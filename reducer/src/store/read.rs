//! Reading from a store: a task to send, an answer to compare, the settled tasks of a report.

use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use shared::protocol::id::{Class, JobId, OpeningId, OwnerId, PlanHash, TaskId};
use shared::protocol::job::{Counts, JobSpec};
use shared::protocol::message::{Parts, PlanFailure};
use shared::protocol::workload::Workload;

use super::{Store, StoreError, open};
use crate::fold::{self, Settled};
use crate::owner::{Counted, FirstAnswer, Known};

/// A task as the store has it, for sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTask {
    pub class: Class,
    /// When it was planned, in nanoseconds since 1970, if the producer said so.
    pub planned_at: Option<i64>,
    pub body: Bytes,
}

fn id<T: TryFrom<String, Error = shared::protocol::id::InvalidId>>(text: String) -> Result<T, StoreError> {
    T::try_from(text).map_err(|error| StoreError::Content(error.to_string()))
}

impl Store {
    /// The facts about a stored task that messages about it are compared with.
    pub fn known(&self, job: &JobId, number: u64, workload: Workload) -> Result<Option<Known>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT items, plan, kept, kept_left, kept_run IS NOT NULL, kept_by FROM tasks
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        )?;
        let read = |row: &Row<'_>| {
            let (kept, is_left, has_parts): (Option<String>, bool, bool) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let by: Option<String> = row.get(5)?;
            Ok((row.get(0)?, row.get(1)?, kept.map(|answer| (Bytes::from(answer), is_left, has_parts, by))))
        };
        let row = statement.query_row(params![job.as_str(), number], read).optional()?;
        let Some((items, plan, kept)) = row else { return Ok(None) };
        let plan: PlanHash = id(plan)?;
        let kept = kept.map(|(answer, is_left, has_parts, by)| {
            let open = fold::open_items(workload, items, &answer);
            let open = open.map_err(|reason| StoreError::Content(format!("task {job}.{number}: {reason}")))?;
            let rest = plan.rest(&open);
            Ok::<_, StoreError>(FirstAnswer { answer, open, rest, is_left, has_parts, by: by.map(id).transpose()? })
        });
        Ok(Some(Known { items, kept: kept.transpose()?, plan }))
    }

    /// The answer that was counted. `Err` holds the reason if the task was given up.
    pub fn answer(&self, job: &JobId, number: u64) -> Result<Option<Result<Bytes, String>>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT status, answer FROM outcomes WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        )?;
        let row =
            statement.query_row(params![job.as_str(), number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(row.map(|(status, answer)| verdict(status, answer)))
    }

    /// The outcome of a task, for an explanation.
    pub fn counted(&self, job: &JobId, number: u64) -> Result<Option<Counted>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT status, answer ->> '$.reason', attempt, host, dead.job_id IS NOT NULL
             FROM outcomes LEFT JOIN dead USING (job_id, number)
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        )?;
        let counted = statement.query_row(params![job.as_str(), number], |row| {
            let is_failed = row.get::<_, String>(0)? == "failed";
            let reason = row.get::<_, Option<String>>(1)?.unwrap_or_default();
            let (attempts, host, is_dead) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(Counted { failed: is_failed.then_some(reason), attempts, host, is_dead })
        });
        Ok(counted.optional()?)
    }

    /// Whether every part of an outcome is in the store.
    pub fn has_parts(&self, task: &TaskId, parts: Option<&Parts>) -> Result<bool, StoreError> {
        let Some(Parts { run, count }) = parts else { return Ok(true) };
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM parts
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ? AND run = ? AND part < ?",
        )?;
        let there: u32 =
            statement.query_row(params![task.job.as_str(), task.number, run.as_str(), count], |row| row.get(0))?;
        Ok(there == *count)
    }

    /// A task of the stored plan, for sending.
    pub fn task(&self, job: &JobId, number: u64) -> Result<Option<StoredTask>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT class, body, planned_at FROM tasks
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ? AND body IS NOT NULL",
        )?;
        let row = statement.query_row(params![job.as_str(), number], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
        });
        let Some((class, body, planned_at)) = row.optional()? else { return Ok(None) };
        Ok(Some(StoredTask { class: id::<Class>(class)?, planned_at, body: body.into() }))
    }

    /// Opens a reader of the same store.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }
}

/// An outcome's columns, as a report needs them.
struct Settlement {
    status: String,
    answer: String,
    attempts: u32,
    host: String,
}

/// Reads an outcome whose columns begin at index `first`.
fn outcome(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Settlement>> {
    let Some(status) = row.get(first)? else { return Ok(None) };
    let (answer, attempts, host) = (row.get(first + 1)?, row.get(first + 2)?, row.get(first + 3)?);
    Ok(Some(Settlement { status, answer, attempts, host }))
}

impl Settlement {
    /// The answer, or the reason of the failure, with the number of attempts and the last host.
    fn answer(self) -> Result<Bytes, String> {
        let Self { status, answer, attempts, host } = self;
        verdict(status, answer)
            .map_err(|reason| format!("{reason} (given up after attempt {attempts}, the last one on {host})"))
    }
}

fn verdict(status: String, answer: String) -> Result<Bytes, String> {
    if status == "done" {
        return Ok(answer.into());
    }
    let failure: Result<shared::protocol::message::Failure, _> = serde_json::from_str(&answer);
    Err(failure.map_or(answer, |failure| failure.reason))
}

/// Parses a job's account. Only accounts that add up are committed, so one that does not was
/// damaged.
pub(super) fn account(job: &str, counts: &str) -> Result<Counts, StoreError> {
    let counts: Counts = serde_json::from_str(counts).map_err(|e| StoreError::Content(e.to_string()))?;
    let damaged = || StoreError::Content(format!("the account of job {job} does not add up: the file was damaged"));
    counts.adds_up().then_some(counts).ok_or_else(damaged)
}

/// A part's place among the parts of its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPlace {
    pub number: u64,
    /// The run that counts for its task.
    run: String,
    /// The part's number within the run.
    part: u32,
}

#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
}

/// The content of a report about one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Failures in planning, which come before the task's items.
    pub plan_failures: Vec<PlanFailure>,
    pub settled: Settled,
}

impl Reader {
    /// Opens the store at `path` for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: open::open_to_read(path)? })
    }

    /// The hash of a job's plan up to and including a task.
    pub fn plan(&self, job: &JobId, number: u64) -> Result<Option<PlanHash>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT plan FROM tasks WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        )?;
        statement.query_row(params![job.as_str(), number], |row| row.get(0)).optional()?.map(id).transpose()
    }

    pub fn owner(&self) -> Result<OwnerId, StoreError> {
        id(self.connection.query_row("SELECT owner FROM store", [], |row| row.get(0))?)
    }

    /// The job's current opening.
    pub fn opening(&self, job: &JobId) -> Result<Option<OpeningId>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT opening FROM jobs WHERE job = ?")?;
        statement.query_row([job.as_str()], |row| row.get(0)).optional()?.map(id).transpose()
    }

    pub fn spec(&self, job: &JobId) -> Result<Option<JobSpec>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT spec FROM jobs WHERE job = ?")?;
        let spec: Option<String> = statement.query_row([job.as_str()], |row| row.get(0)).optional()?;
        let parse = |text: String| serde_json::from_str(&text).map_err(|e| StoreError::Content(e.to_string()));
        spec.map(parse).transpose()
    }

    /// The number of tasks and the account of a job whose plan is complete.
    pub fn plan_end(&self, job: &JobId) -> Result<Option<(u64, Counts)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT plan_end, counts FROM jobs WHERE job = ? AND plan_end IS NOT NULL")?;
        let row = statement.query_row([job.as_str()], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?;
        row.map(|(tasks, counts): (u64, String)| Ok((tasks, account(job.as_str(), &counts)?))).transpose()
    }

    /// Whether the job was cancelled.
    pub fn is_cancelled(&self, job: &JobId) -> Result<bool, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM jobs WHERE job = ? AND cancelled_at IS NOT NULL")?;
        Ok(statement.exists([job.as_str()])?)
    }

    /// The part after another, or the first part, among those that count. A part counts if it is of
    /// a run that the task names and if its item, if it has one, has a result.
    pub fn next_part(
        &self,
        job: &JobId,
        after: Option<&PartPlace>,
    ) -> Result<Option<(PartPlace, Vec<u8>)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT parts.number, parts.run, parts.part, parts.body FROM parts
             JOIN outcomes USING (job_id, number) JOIN tasks USING (job_id, number)
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND parts.run IN (outcomes.run, tasks.kept_run)
               AND (parts.number, parts.run, parts.part) > (?, ?, ?) AND outcomes.status = 'done'
               AND (parts.item IS NULL OR parts.item NOT IN
                    (SELECT failed.value ->> '$.item' FROM json_each(outcomes.answer, '$.failed') AS failed))
             ORDER BY parts.number, parts.run, parts.part LIMIT 1",
        )?;
        let (number, run, part) =
            after.map_or((-1, "", -1), |place| (place.number.cast_signed(), place.run.as_str(), i64::from(place.part)));
        let row = statement.query_row(params![job.as_str(), number, run, part], |row| {
            Ok((PartPlace { number: row.get(0)?, run: row.get(1)?, part: row.get(2)? }, row.get(3)?))
        });
        Ok(row.optional()?)
    }

    /// The name that a job's report was given. `None` if the report goes under the job's id: it was
    /// given no name, a later job of that name is done, or the job was cancelled and must not
    /// replace another report.
    pub fn report_name(&self, job: &JobId) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT report FROM jobs
             WHERE job = ? AND cancelled_at IS NULL AND NOT EXISTS (
                 SELECT 1 FROM jobs AS later
                 WHERE later.report = jobs.report AND later.id > jobs.id
                   AND later.answered >= later.plan_end AND later.cancelled_at IS NULL)",
        )?;
        Ok(statement.query_row([job.as_str()], |row| row.get(0)).optional()?.flatten())
    }

    /// The section of task `number`, which must have an outcome; `None` if the plan has no such
    /// task.
    pub fn section(&self, job: &JobId, spec: &JobSpec, number: u64) -> Result<Option<Section>, StoreError> {
        if fold::is_derived(spec) {
            return self.derived_section(job, spec, number);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT body, failed, status, answer, attempt, host FROM tasks LEFT JOIN outcomes USING (job_id, number)
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        )?;
        let row = statement.query_row(params![job.as_str(), number], |row| {
            let body: Option<String> = row.get(0)?;
            let failed: Option<String> = row.get(1)?;
            Ok((body, failed, outcome(row, 2)?))
        });
        let Some((body, failed, outcome)) = row.optional()? else { return Ok(None) };
        let failed = failed.map(|text| serde_json::from_str(&text)).transpose();
        let plan_failures = failed.map_err(|e| StoreError::Content(e.to_string()))?.unwrap_or_default();
        let answer = outcome.map(Settlement::answer);
        Ok(Some(Section { plan_failures, settled: Settled { number, body: body.map(Bytes::from), answer } }))
    }

    fn derived_section(&self, job: &JobId, spec: &JobSpec, number: u64) -> Result<Option<Section>, StoreError> {
        let Some(derived) = fold::derive(spec, number) else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce(?2 >= plan_end, FALSE), status, answer, attempt, host
             FROM jobs LEFT JOIN outcomes ON job_id = id AND number = ?2 WHERE job = ?1",
        )?;
        let row = statement
            .query_row(params![job.as_str(), number], |row| Ok((row.get::<_, bool>(0)?, outcome(row, 1)?)))
            .optional()?;
        // The plan of a rider that got off early ends before its spec says so.
        let Some((false, answer)) = row else { return Ok(None) };
        let answer = answer.map(Settlement::answer);
        Ok(Some(Section { plan_failures: Vec::new(), settled: Settled { number, body: Some(derived.body), answer } }))
    }
}
