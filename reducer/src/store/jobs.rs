//! Jobs that are not in the owner's memory, found by name or by what was asked for.

use rusqlite::{OptionalExtension, Row, params};
use shared::protocol::id::{JobId, OpeningId, ReportName};
use shared::protocol::job::{JobSpec, JobState};
use shared::protocol::message::{Ended, JobRequest};
use shared::system::clock::Moment;

use super::read::id;
use super::{Store, StoreError};
use crate::owner::Namesake;

/// What two requests have in common that ask for the same: the spec and the report's name.
pub(super) fn asked(request: &JobRequest) -> Result<String, StoreError> {
    let asked = serde_json::to_string(&(&request.spec, &request.report));
    asked.map_err(|error| StoreError::Content(error.to_string()))
}

fn ended(row: &Row<'_>) -> rusqlite::Result<(String, Option<f64>, Option<f64>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

impl Store {
    /// Whether a job of this name is in the store.
    pub(crate) fn has_job(&self, job: &JobId) -> Result<bool, StoreError> {
        Ok(self.db.all()?.prepare_cached("SELECT 1 FROM jobs WHERE job = ?")?.exists([job.as_str()])?)
    }

    pub(crate) fn spec(&self, job: &JobId) -> Result<Option<JobSpec>, StoreError> {
        self.spec_of("SELECT spec FROM jobs WHERE job = ?", job.as_str())
    }

    fn spec_of(&self, query: &str, key: &str) -> Result<Option<JobSpec>, StoreError> {
        let spec: Option<String> =
            self.db.all()?.prepare_cached(query)?.query_row([key], |row| row.get(0)).optional()?;
        spec.map(|spec| serde_json::from_str(&spec).map_err(|error| StoreError::Content(error.to_string()))).transpose()
    }

    /// The unfinished job that a request without an id continues. Only the latest job with the same
    /// spec, report and origin counts: its producer abandoned the earlier ones.
    pub(crate) fn unended(&self, request: &JobRequest) -> Result<Option<JobId>, StoreError> {
        let Some(origin) = request.origin.as_ref().filter(|_| request.resume) else { return Ok(None) };
        if self.has_job(&request.job)? {
            return Ok(None);
        }
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT job, finished_at, cancelled_at FROM jobs
             WHERE asked = ? AND job IS NOT NULL AND unnamed AND origin = ? ORDER BY opened_at DESC, id DESC LIMIT 1",
        )?;
        let latest = statement.query_row(params![asked(request)?, origin.as_str()], ended).optional()?;
        match latest {
            Some((job, None, None)) => Ok(Some(id(job)?)),
            _ => Ok(None),
        }
    }

    /// The latest earlier job with the same spec and report that has ended.
    pub(crate) fn ended_before(&self, request: &JobRequest, now: Moment) -> Result<Option<Ended>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT job, finished_at, cancelled_at FROM jobs
             WHERE asked = ?1 AND job IS NOT NULL AND job <> ?2
               AND opened_at <= coalesce((SELECT opened_at FROM jobs WHERE job = ?2), ?3)
               AND (finished_at IS NOT NULL OR cancelled_at IS NOT NULL)
             ORDER BY opened_at DESC, id DESC LIMIT 1",
        )?;
        let params = params![asked(request)?, request.job.as_str(), now.as_secs_f64()];
        let Some((job, finished, cancelled)) = statement.query_row(params, ended).optional()? else { return Ok(None) };
        let state = JobState::of(true, finished.is_some(), cancelled.is_some());
        Ok(Some(Ended { job: id(job)?, state, at: cancelled.or(finished).unwrap_or_default() }))
    }

    /// Another job whose report has or could get the same name as that of this job. Jobs that were
    /// given one report name replace each other's report on purpose. But an earlier such report
    /// falls back to its job's id once a later one is there, so no other report may have that id as
    /// its name.
    pub(crate) fn namesake(&self, request: &JobRequest) -> Result<Option<Namesake>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT job, job = ?2 FROM jobs WHERE job IS NOT NULL AND job <> ?1 AND (report = ?1 OR job = ?2) LIMIT 1",
        )?;
        let report = request.report.as_ref().map(ReportName::as_str);
        let found = statement.query_row(params![request.job.as_str(), report], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<bool>>(1)?))
        });
        let Some((job, is_its_id)) = found.optional()? else { return Ok(None) };
        Ok(Some(Namesake { job: id(job)?, is_its_id: is_its_id.unwrap_or(false) }))
    }

    /// The spec of a cancelled job, by its opening.
    pub(crate) fn cancelled(&self, opening: &OpeningId) -> Result<Option<JobSpec>, StoreError> {
        self.spec_of("SELECT spec FROM jobs WHERE opening = ? AND cancelled_at IS NOT NULL", opening.as_str())
    }

    /// The jobs that were cancelled last, at most `count`: their tasks may still be in queues.
    pub(crate) fn cancelled_last(&self, count: usize) -> Result<Vec<(OpeningId, JobSpec)>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT opening, spec FROM jobs WHERE cancelled_at IS NOT NULL AND finished_at IS NOT NULL
             ORDER BY cancelled_at DESC LIMIT ?",
        )?;
        let rows = statement.query_map([count], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let read = |row: rusqlite::Result<(String, String)>| {
            let (opening, spec) = row?;
            let spec = serde_json::from_str(&spec).map_err(|error| StoreError::Content(error.to_string()))?;
            Ok((id(opening)?, spec))
        };
        rows.map(read).collect()
    }
}
