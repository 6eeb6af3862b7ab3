//! Reading from a store: a task to send, an answer to compare, the settled tasks of a report.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use shared::protocol::id::{Class, JobId, OpeningId, OwnerId, PlanHash, TaskId};
use shared::protocol::job::{Counts, JobSpec};
use shared::protocol::message::{Parts, PlanFailure, Planned};
use shared::protocol::payload::Payload;

use super::{Store, StoreError, open, payload};
use crate::fold::{self, Derived, Fold, Settled};
use crate::owner::{Counted, FirstAnswer, Known};

/// A task as the store has it, for sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTask {
    pub class: Class,
    /// When it was planned, in nanoseconds since 1970, if the producer said so.
    pub planned_at: Option<i64>,
    pub body: Payload,
}

pub(super) fn id<T: TryFrom<String, Error = shared::protocol::id::InvalidId>>(text: String) -> Result<T, StoreError> {
    T::try_from(text).map_err(|error| StoreError::Content(error.to_string()))
}

impl Store {
    /// The facts about a stored task that messages about it are compared with.
    pub fn known(&self, job: &JobId, number: u64, fold: &dyn Fold) -> Result<Option<Known>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(&format!(
            "SELECT {KNOWN} FROM tasks WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?"
        ))?;
        let row = statement.query_row(params![job.as_str(), number], |row| KnownRow::read(row, 0)).optional()?;
        row.map(|row| row.known(job, number, fold)).transpose()
    }

    /// The answer that was counted. `Err` holds the reason if the task was given up.
    pub fn answer(&self, job: &JobId, number: u64) -> Result<Option<Result<Payload, String>>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT reason, answer, answer_type FROM outcomes
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?",
        )?;
        Ok(statement.query_row(params![job.as_str(), number], |row| verdict(row, 0)).optional()?)
    }

    /// The outcome of a task, for an explanation.
    pub fn counted(&self, job: &JobId, number: u64) -> Result<Option<Counted>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT status, reason, attempt, host, dead.job_id IS NOT NULL
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
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT count(*) FROM parts
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ? AND run = ? AND part < ?",
        )?;
        let there: u32 =
            statement.query_row(params![task.job.as_str(), task.number, run.as_str(), count], |row| row.get(0))?;
        Ok(there == *count)
    }

    /// A task of the stored plan, for sending, and what is known of it.
    pub fn task(&self, job: &JobId, number: u64, fold: &dyn Fold) -> Result<Option<(StoredTask, Known)>, StoreError> {
        if let Some((Planned { class, at: planned_at, body, items, .. }, plan)) = self.db.planned(job, number) {
            let known = Known { items, plan, kept: None, rest_done: None };
            return Ok(body.map(|body| (StoredTask { class, planned_at, body }, known)));
        }
        let mut statement = self.db.all()?.prepare_cached(&format!(
            "SELECT class, planned_at, body, body_type, {KNOWN} FROM tasks
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ? AND body IS NOT NULL"
        ))?;
        let row = statement.query_row(params![job.as_str(), number], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, payload::required(row, 2)?, KnownRow::read(row, 4)?))
        });
        let Some((class, planned_at, body, known)) = row.optional()? else { return Ok(None) };
        let task = StoredTask { class: id::<Class>(class)?, planned_at, body };
        Ok(Some((task, known.known(job, number, fold)?)))
    }

    /// Opens a reader of the same store.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }
}

/// The columns of `tasks` that [`KnownRow`] reads.
const KNOWN: &str = "items, plan, kept_left, kept_run IS NOT NULL, kept_by, kept, kept_type";

/// What a row of `tasks` says about its task's answer.
struct KnownRow {
    items: u32,
    plan: String,
    kept: Option<KeptRow>,
}

struct KeptRow {
    answer: Payload,
    is_left: bool,
    has_parts: bool,
    by: Option<String>,
}

impl KnownRow {
    /// Reads the columns [`KNOWN`], which begin at index `first`.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let (is_left, has_parts, by) = (row.get(first + 2)?, row.get(first + 3)?, row.get(first + 4)?);
        let kept = payload::read(row, first + 5)?.map(|answer| KeptRow { answer, is_left, has_parts, by });
        Ok(Self { items: row.get(first)?, plan: row.get(first + 1)?, kept })
    }

    fn known(self, job: &JobId, number: u64, fold: &dyn Fold) -> Result<Known, StoreError> {
        let (items, plan): (_, PlanHash) = (self.items, id(self.plan)?);
        let kept = self.kept.map(|KeptRow { answer, is_left, has_parts, by }| {
            let open = fold.itemwise().map_or(Ok(Vec::new()), |itemwise| itemwise.open_items(items, &answer));
            let open = open.map_err(|reason| StoreError::Content(format!("task {job}.{number}: {reason}")))?;
            let rest = plan.rest(&open);
            Ok::<_, StoreError>(FirstAnswer { answer, open, rest, is_left, has_parts, by: by.map(id).transpose()? })
        });
        Ok(Known { items, kept: kept.transpose()?, plan, rest_done: None })
    }
}

/// The columns of `outcomes` that [`settlement`] reads.
const SETTLEMENT: &str = "status, attempt, host, cause, reason, answer, answer_type";

/// Reads an outcome as a report needs it, if there is one: the answer, or the reason of the failure
/// with the number of attempts and the last host. Its columns begin at index `first`.
fn settlement(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Result<Payload, String>>> {
    let Some::<String>(_) = row.get(first)? else { return Ok(None) };
    let (attempts, host): (u32, String) = (row.get(first + 1)?, row.get(first + 2)?);
    // A task that failed because of another one was not tried.
    let was_tried = row.get::<_, Option<u64>>(first + 3)?.is_none();
    let given_up = |reason| match was_tried {
        true => format!("{reason} (given up after attempt {attempts}, the last one on {host})"),
        false => reason,
    };
    Ok(Some(verdict(row, first + 4)?.map_err(given_up)))
}

/// Reads the columns `reason`, `answer`, `answer_type`.
fn verdict(row: &Row<'_>, first: usize) -> rusqlite::Result<Result<Payload, String>> {
    match row.get::<_, Option<String>>(first)? {
        Some(reason) => Ok(Err(reason)),
        None => payload::required(row, first + 1).map(Ok),
    }
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

    /// The part after another, or the first part, among those that count: those of a run that the
    /// task names. The parts of items without a result were removed with the outcome.
    pub fn next_part(
        &self,
        job: &JobId,
        after: Option<&PartPlace>,
    ) -> Result<Option<(PartPlace, Payload)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT parts.number, parts.run, parts.part, parts.body, parts.body_type FROM parts
             JOIN outcomes USING (job_id, number) JOIN tasks USING (job_id, number)
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND parts.run IN (outcomes.run, tasks.kept_run)
               AND (parts.number, parts.run, parts.part) > (?, ?, ?) AND outcomes.status = 'done'
             ORDER BY parts.number, parts.run, parts.part LIMIT 1",
        )?;
        let (number, run, part) =
            after.map_or((-1, "", -1), |place| (place.number.cast_signed(), place.run.as_str(), i64::from(place.part)));
        let row = statement.query_row(params![job.as_str(), number, run, part], |row| {
            Ok((PartPlace { number: row.get(0)?, run: row.get(1)?, part: row.get(2)? }, payload::required(row, 3)?))
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
        if let Some(derived) = fold::of(spec).derived() {
            return self.derived_section(job, derived, number);
        }
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT failed, body, body_type, {SETTLEMENT} FROM tasks LEFT JOIN outcomes USING (job_id, number)
             WHERE job_id = (SELECT id FROM jobs WHERE job = ?) AND number = ?"
        ))?;
        let row = statement.query_row(params![job.as_str(), number], |row| {
            Ok((row.get::<_, Option<String>>(0)?, payload::read(row, 1)?, settlement(row, 3)?))
        });
        let Some((failed, body, answer)) = row.optional()? else { return Ok(None) };
        let failed = failed.map(|text| serde_json::from_str(&text)).transpose();
        let plan_failures = failed.map_err(|e| StoreError::Content(e.to_string()))?.unwrap_or_default();
        Ok(Some(Section { plan_failures, settled: Settled { number, body, answer } }))
    }

    /// After a task of a derived plan without an outcome: the next task with one, or the end of the
    /// plan. A job of a billion tasks may be cancelled after a few.
    pub fn after_unanswered(&self, job: &JobId, derived: &dyn Derived, number: u64) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce((SELECT min(number) FROM outcomes WHERE job_id = id AND number > ?2), plan_end, ?3)
             FROM jobs WHERE job = ?1",
        )?;
        let next = statement.query_row(params![job.as_str(), number, derived.tasks()], |row| row.get(0)).optional()?;
        Ok(next.unwrap_or(0).max(number + 1))
    }

    fn derived_section(&self, job: &JobId, derived: &dyn Derived, number: u64) -> Result<Option<Section>, StoreError> {
        let Some(task) = derived.task(number) else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT coalesce(?2 >= plan_end, FALSE), {SETTLEMENT}
             FROM jobs LEFT JOIN outcomes ON job_id = id AND number = ?2 WHERE job = ?1"
        ))?;
        let row = statement
            .query_row(params![job.as_str(), number], |row| Ok((row.get::<_, bool>(0)?, settlement(row, 1)?)))
            .optional()?;
        // The plan of a rider that got off early ends before its spec says so.
        let Some((false, answer)) = row else { return Ok(None) };
        Ok(Some(Section { plan_failures: Vec::new(), settled: Settled { number, body: Some(task.body), answer } }))
    }
}
