//! The status of jobs, read from a store whose owner may not be running.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Row};
use shared::protocol::id::{JobId, OpeningId, OwnerId, PlanHash};
use shared::protocol::job::{JobSpec, JobState, JobStatus};

use super::read::account;
use super::{Reader, Store, StoreError};
use crate::fold;

struct StatusRow {
    job: String,
    spec: String,
    counts: String,
    opened_at: f64,
    finished_at: Option<f64>,
    cancelled_at: Option<f64>,
    is_complete: bool,
    report_sha256: Option<String>,
    owner: String,
    plan: String,
    opening: String,
}

impl StatusRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            job: row.get(0)?,
            spec: row.get(1)?,
            counts: row.get(2)?,
            opened_at: row.get(3)?,
            finished_at: row.get(4)?,
            is_complete: row.get(5)?,
            report_sha256: row.get(6)?,
            owner: row.get(7)?,
            cancelled_at: row.get(8)?,
            plan: row.get(9)?,
            opening: row.get(10)?,
        })
    }
}

impl Reader {
    /// The status of every job, oldest first. The number of consumers is not known here.
    pub fn statuses(&self) -> Result<Vec<JobStatus>, StoreError> {
        statuses(&self.connection, u32::MAX)
    }
}

impl Store {
    /// The status of the jobs that were opened last, at most `count`, oldest first.
    pub(crate) fn latest(&self, count: u32) -> Result<Vec<JobStatus>, StoreError> {
        statuses(self.db.all()?, count)
    }
}

fn statuses(connection: &Connection, count: u32) -> Result<Vec<JobStatus>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT job, spec, counts, opened_at, finished_at, plan_end IS NOT NULL, report_sha256,
                (SELECT owner FROM store), cancelled_at, plan, opening
         FROM jobs WHERE job IS NOT NULL ORDER BY opened_at DESC, id DESC LIMIT ?",
    )?;
    let rows: Vec<StatusRow> = statement.query_map([count], StatusRow::read)?.collect::<Result<_, _>>()?;
    rows.into_iter().rev().map(|row| row.status(connection)).collect()
}

impl StatusRow {
    fn status(self, connection: &Connection) -> Result<JobStatus, StoreError> {
        let row = self;
        let content = |error: &dyn std::fmt::Display| StoreError::Content(error.to_string());
        let spec: JobSpec = serde_json::from_str(&row.spec).map_err(|e| content(&e))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let sum = fold::of(&spec).label().map(|label| {
            let total = connection.query_row("SELECT total FROM sums WHERE label = ?", [&label], |row| row.get(0));
            (label, total.unwrap_or(0))
        });
        let counts = account(&row.job, &row.counts)?;
        let plan = PlanHash::try_from(row.plan).map_err(|e| content(&e))?;
        let plan = (row.is_complete && fold::of(&spec).derived().is_none()).then_some(plan);
        Ok(JobStatus {
            schema: 1,
            job: JobId::try_from(row.job).map_err(|e| content(&e))?,
            opening: OpeningId::try_from(row.opening).map_err(|e| content(&e))?,
            owner: OwnerId::try_from(row.owner).map_err(|e| content(&e))?,
            workload: spec.workload(),
            state: JobState::of(row.is_complete, row.finished_at.is_some(), row.cancelled_at.is_some()),
            counts,
            consumers: 0,
            unserved: Vec::new(),
            waits: None,
            plan,
            seconds: (row.cancelled_at.or(row.finished_at).unwrap_or(now) - row.opened_at).max(0.0),
            report_sha256: row.report_sha256,
            sum,
        })
    }
}
