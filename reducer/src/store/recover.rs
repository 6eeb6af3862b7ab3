//! Restores an owner's memory from its store.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Row, params};
use shared::protocol::id::{Class, ConsumerId, JobId, OpeningId, Origin, PlanHash, ReportName};
use shared::protocol::job::JobSpec;
use shared::protocol::message::JobRequest;
use shared::system::clock::Moment;

use super::read::account;
use super::{Store, StoreError};
use crate::mutant::{self, Mutant};
use crate::owner::{Contiguous, Flight, Holder, Job};

fn content(error: impl std::fmt::Display) -> StoreError {
    StoreError::Content(error.to_string())
}

/// Converts a time from the store. In a damaged store it may be before 1970, which is an error.
fn moment(seconds: f64) -> Result<Moment, StoreError> {
    Duration::try_from_secs_f64(seconds).map_err(content)
}

struct JobRow {
    id: i64,
    job: String,
    opening: String,
    unnamed: bool,
    follows: bool,
    spec: String,
    opened_at: f64,
    finished_at: Option<f64>,
    plan_end: Option<u64>,
    dispatched: u64,
    answered: u64,
    counts: String,
    report_sha256: Option<String>,
    cancelled_at: Option<f64>,
    report: Option<String>,
    plan: String,
    origin: Option<String>,
}

impl JobRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            job: row.get(1)?,
            spec: row.get(2)?,
            opened_at: row.get(3)?,
            finished_at: row.get(4)?,
            plan_end: row.get(5)?,
            dispatched: row.get(6)?,
            answered: row.get(7)?,
            counts: row.get(8)?,
            report_sha256: row.get(9)?,
            cancelled_at: row.get(10)?,
            report: row.get(11)?,
            plan: row.get(12)?,
            origin: row.get(13)?,
            opening: row.get(14)?,
            unnamed: row.get(15)?,
            follows: row.get(16)?,
        })
    }
}

impl Store {
    /// All sums, by label.
    pub fn sums(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut statement = self.connection.prepare("SELECT label, total FROM sums")?;
        let sums = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(sums.collect::<Result<_, _>>()?)
    }

    /// All jobs as of the last commit. Tasks that were out count as seen at `now`.
    pub(crate) fn recover(&self, now: Moment) -> Result<Vec<Job>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT id, job, spec, opened_at, finished_at, plan_end, dispatched, answered, counts, report_sha256,
                    cancelled_at, report, plan, origin, opening, unnamed, follows IS NOT NULL
             FROM jobs WHERE job IS NOT NULL ORDER BY id",
        )?;
        let rows: Vec<JobRow> = statement.query_map([], JobRow::read)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.recover_job(row, now)).collect()
    }

    fn recover_job(&self, row: JobRow, now: Moment) -> Result<Job, StoreError> {
        let spec: JobSpec = serde_json::from_str(&row.spec).map_err(content)?;
        let counts = account(&row.job, &row.counts)?;
        let id = JobId::try_from(row.job).map_err(content)?;
        let report = row.report.map(ReportName::try_from).transpose().map_err(content)?;
        let origin = row.origin.map(Origin::try_from).transpose().map_err(content)?;
        let opening = OpeningId::try_from(row.opening).map_err(content)?;
        let request = JobRequest { report, origin, resume: row.unnamed, ..JobRequest::new(id, spec) };
        let mut job = Job::new(request, opening, moment(row.opened_at)?);
        job.finished_at = row.finished_at.map(moment).transpose()?;
        job.report_sha256 = row.report_sha256;
        job.plan_end = row.plan_end;
        job.follows = row.follows;
        job.plan = PlanHash::try_from(row.plan).map_err(content)?;
        let is_beyond = |tasks: u64| tasks > counts.tasks_planned;
        if is_beyond(row.answered) || (job.is_derived() && row.plan_end.is_some_and(is_beyond)) {
            return Err(content(format!("job {} has more tasks than its plan: the file was damaged", job.id)));
        }
        job.counts = counts;
        job.dispatched = row.dispatched;
        job.answered = Contiguous::up_to(row.answered);
        job.cancelled_at = row.cancelled_at.map(moment).transpose()?;
        if !job.is_open() {
            job.planned = Contiguous::up_to(job.counts.tasks_planned);
            return Ok(job);
        }
        if job.is_derived() {
            job.planned = Contiguous::up_to(job.counts.tasks_planned);
            self.recover_answers(
                row.id,
                &mut job,
                "SELECT number FROM outcomes WHERE job_id = ? AND number >= ? ORDER BY number",
            )?;
            job.watch_derived(now);
        } else {
            self.recover_plan(row.id, &mut job)?;
            self.recover_answers(
                row.id,
                &mut job,
                "SELECT number FROM outcomes WHERE job_id = ?1 AND number >= ?2
                 UNION SELECT number FROM tasks WHERE job_id = ?1 AND number >= ?2 AND body IS NULL ORDER BY number",
            )?;
            self.recover_flights(row.id, &mut job, now)?;
        }
        self.recover_leases(row.id, &mut job, now)?;
        Ok(job)
    }

    /// Restores the planned numbers from the answered prefix on; below it every task is planned.
    fn recover_plan(&self, id: i64, job: &mut Job) -> Result<(), StoreError> {
        job.planned = Contiguous::up_to(job.answered.prefix());
        let mut statement =
            self.connection.prepare("SELECT number FROM tasks WHERE job_id = ? AND number >= ? ORDER BY number")?;
        for number in statement.query_map(params![id, job.answered.prefix()], |row| row.get(0))? {
            job.planned.insert(number?);
        }
        Ok(())
    }

    fn recover_answers(&self, id: i64, job: &mut Job, sql: &str) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(sql)?;
        for number in statement.query_map(params![id, job.answered.prefix()], |row| row.get(0))? {
            job.answered.insert(number?);
        }
        Ok(())
    }

    /// Restores the leases. Their holders have two heartbeats to name their tasks.
    fn recover_leases(&self, id: i64, job: &mut Job, now: Moment) -> Result<(), StoreError> {
        let mut statement =
            self.connection.prepare("SELECT number, attempt, holder, host FROM leases WHERE job_id = ?")?;
        let rows = statement
            .query_map([id], |row| Ok((row.get::<_, u64>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?)))?;
        for row in rows {
            let (number, attempt, holder, host) = row?;
            let consumer = ConsumerId::try_from(holder).map_err(content)?;
            let flight = job.flights.entry(number).or_insert_with(|| Flight::sent(now));
            flight.attempt = attempt;
            flight.lease = Some(Holder { consumer, host });
        }
        Ok(())
    }

    fn recover_flights(&self, id: i64, job: &mut Job, now: Moment) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT number, class FROM tasks WHERE job_id = ? AND number >= ? AND number < ?")?;
        let rows = statement.query_map(params![id, job.answered.prefix(), job.dispatched], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?))
        })?;
        for row in rows {
            let (number, class) = row?;
            if !job.answered.contains(number) && !mutant::is(Mutant::ForgetFlights) {
                let class = Some(Class::try_from(class).map_err(content)?);
                job.flights.insert(number, Flight { class, ..Flight::sent(now) });
            }
        }
        Ok(())
    }
}
