//! Restores an owner's memory from its store.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, ToSql, params};
use shared::protocol::id::{Class, ConsumerId, JobId, OpeningId, Origin, PlanHash, ReportName};
use shared::protocol::job::JobSpec;
use shared::protocol::message::JobRequest;
use shared::system::clock::Moment;

use super::read::account;
use super::{Store, StoreError};
use crate::fold;
use crate::mutant::{self, Mutant};
use crate::owner::{Account, Contiguous, Ending, Flight, Holder, Job, Plan, Ready, Resumed, Updates};

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
    follows: bool,
    priority: i32,
    needs: bool,
    spec: String,
    opened_at: f64,
    finished_at: Option<f64>,
    plan_end: Option<u64>,
    sent: String,
    answered: u64,
    counts: String,
    report_sha256: Option<String>,
    cancelled_at: Option<f64>,
    report: Option<String>,
    plan: String,
    origin: Option<String>,
    updates: (u64, u64),
    released: u64,
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
            sent: row.get(6)?,
            answered: row.get(7)?,
            counts: row.get(8)?,
            report_sha256: row.get(9)?,
            cancelled_at: row.get(10)?,
            report: row.get(11)?,
            plan: row.get(12)?,
            origin: row.get(13)?,
            opening: row.get(14)?,
            follows: row.get(15)?,
            priority: row.get(16)?,
            needs: row.get(17)?,
            updates: (row.get(18)?, row.get(19)?),
            released: row.get(20)?,
        })
    }
}

impl Store {
    /// The sum of a label.
    pub(crate) fn sum(&self, label: &str) -> Result<i64, StoreError> {
        let mut statement = self.db.all()?.prepare_cached("SELECT total FROM sums WHERE label = ?")?;
        Ok(statement.query_row([label], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// All jobs without a report as of the last commit. Tasks that were out count as seen at `now`.
    pub(crate) fn recover(&self, now: Moment) -> Result<Vec<Job>, StoreError> {
        self.recover_where("job IS NOT NULL AND finished_at IS NULL ORDER BY id", params![], now)
    }

    /// One job as of the last write, whatever became of it.
    pub(crate) fn recover_one(&self, job: &JobId, now: Moment) -> Result<Option<Job>, StoreError> {
        Ok(self.recover_where("job = ?", params![job.as_str()], now)?.pop())
    }

    fn recover_where(&self, which: &str, params: &[&dyn ToSql], now: Moment) -> Result<Vec<Job>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(&format!(
            "SELECT id, job, spec, opened_at, finished_at, plan_end, sent, answered, counts, report_sha256,
                    cancelled_at, report, plan, origin, opening, follows IS NOT NULL, priority, needs,
                    (SELECT coalesce(max(version), 0) FROM updates WHERE job_id = id),
                    (SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) FROM updates WHERE job_id = id),
                    released
             FROM jobs WHERE {which}"
        ))?;
        let rows: Vec<JobRow> = statement.query_map(params, JobRow::read)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.recover_job(row, now)).collect()
    }

    fn recover_job(&self, row: JobRow, now: Moment) -> Result<Job, StoreError> {
        let spec: JobSpec = serde_json::from_str(&row.spec).map_err(content)?;
        let counts = account(&row.job, &row.counts)?;
        let id = JobId::try_from(row.job).map_err(content)?;
        let report = row.report.map(ReportName::try_from).transpose().map_err(content)?;
        let origin = row.origin.map(Origin::try_from).transpose().map_err(content)?;
        let hash = PlanHash::try_from(row.plan).map_err(content)?;
        let is_derived = fold::of(&spec).derived().is_some();
        let is_beyond = |tasks: u64| tasks > counts.tasks_planned;
        if is_beyond(row.answered) || (is_derived && row.plan_end.is_some_and(is_beyond)) {
            return Err(content(format!("job {id} has more tasks than its plan: the file was damaged")));
        }
        let mut job = Resumed {
            opening: OpeningId::try_from(row.opening).map_err(content)?,
            opened_at: moment(row.opened_at)?,
            follows: row.follows,
            has_needs: row.needs,
            plan: Plan::resumed(&spec, row.plan_end, hash.clone(), Contiguous::up_to(counts.tasks_planned)),
            answered: Contiguous::up_to(row.answered),
            account: Account::of(counts),
            ending: Ending::resumed(
                row.finished_at.map(moment).transpose()?,
                row.cancelled_at.map(moment).transpose()?,
                row.report_sha256,
            ),
            ready: Ready::resumed(serde_json::from_str(&row.sent).map_err(content)?),
            flights: BTreeMap::new(),
            updates: Updates::resumed(row.updates.0, row.updates.1),
            released: row.released,
            request: JobRequest { report, origin, priority: row.priority, ..JobRequest::new(id, spec) },
        };
        if job.ending.is_open() {
            self.recover_answers(row.id, &mut job.answered)?;
            if !is_derived {
                let planned = self.recover_tasks(row.id, row.answered, &mut job, now)?;
                job.plan = Plan::resumed(&job.request.spec, row.plan_end, hash, planned);
            }
            self.recover_leases(row.id, &mut job, now)?;
        }
        Ok(Job::resume(job))
    }

    /// Restores the answered numbers from the answered prefix on.
    fn recover_answers(&self, id: i64, answered: &mut Contiguous) -> Result<(), StoreError> {
        let mut statement =
            self.db.all()?.prepare("SELECT number FROM outcomes WHERE job_id = ? AND number >= ? ORDER BY number")?;
        for number in statement.query_map(params![id, answered.prefix()], |row| row.get(0))? {
            answered.insert(number?);
        }
        Ok(())
    }

    /// Restores the tasks from the answered prefix on: those without work are answered, others were
    /// sent or are to be sent. Returns the planned numbers; below the prefix every task is planned.
    fn recover_tasks(&self, id: i64, prefix: u64, job: &mut Resumed, now: Moment) -> Result<Contiguous, StoreError> {
        let mut planned = Contiguous::up_to(prefix);
        let mut statement = self.db.all()?.prepare(
            "SELECT number, class, body IS NOT NULL, waits, sent FROM tasks LEFT JOIN dependants USING (job_id, number)
             WHERE job_id = ? AND number >= ? ORDER BY number",
        )?;
        let rows = statement.query_map(params![id, prefix], |row| {
            let dependant = row.get::<_, Option<u64>>(3)?.zip(row.get::<_, Option<bool>>(4)?);
            Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?, dependant))
        })?;
        for row in rows {
            let (number, class, has_work, dependant) = row?;
            planned.insert(number);
            if !has_work {
                job.answered.insert(number);
            }
            if job.answered.contains(number) {
                continue;
            }
            let class = Class::try_from(class).map_err(content)?;
            let sent_below = || job.ready.sent_below().get(&class).is_some_and(|sent| number < *sent);
            let was_sent = dependant.map_or_else(sent_below, |(_, was_sent)| was_sent);
            match dependant {
                _ if was_sent && mutant::is(Mutant::ForgetFlights) => {}
                _ if was_sent => drop(job.flights.insert(number, Flight::sent(class, 1, now))),
                None => job.ready.add(&class, number),
                Some((0, _)) => job.ready.release(&class, number),
                // It waits in the store.
                Some(_) => {}
            }
        }
        Ok(planned)
    }

    /// Restores the leases. Their holders have two heartbeats to name their tasks.
    fn recover_leases(&self, id: i64, job: &mut Resumed, now: Moment) -> Result<(), StoreError> {
        let mut statement = self.db.all()?.prepare(
            "SELECT number, attempt, holder, leases.host, class FROM leases LEFT JOIN tasks USING (job_id, number)
             WHERE job_id = ?",
        )?;
        let rows = statement.query_map([id], |row| {
            let class: Option<String> = row.get(4)?;
            Ok((row.get::<_, u64>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?, class))
        })?;
        for row in rows {
            let (number, attempt, holder, host, class) = row?;
            let consumer = ConsumerId::try_from(holder).map_err(content)?;
            let class = class.map(Class::try_from).transpose().map_err(content)?;
            if let Some(class) = class.or_else(|| job.plan.class().cloned()) {
                job.flights.insert(number, Flight::sent(class, attempt, now).under(Holder { consumer, host }));
            }
        }
        Ok(())
    }
}
