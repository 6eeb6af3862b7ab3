//! Updates of a job's workers.

use rusqlite::{Connection, OptionalExtension, params};
use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::job::JobSpec;
use shared::protocol::limits::UPDATES_REPLY_BYTES;
use shared::protocol::message::{Update, Updates};
use shared::protocol::payload::Payload;

use super::payload::Content;
use super::{Store, StoreError, payload};

pub(super) fn write(
    db: &Connection,
    job: &JobId,
    version: u64,
    replaces: bool,
    body: &Payload,
) -> Result<(), StoreError> {
    if replaces {
        db.prepare_cached("DELETE FROM updates WHERE job_id = (SELECT id FROM jobs WHERE job = ?)")?
            .execute([job.as_str()])?;
    }
    db.prepare_cached(
        "INSERT INTO updates (job_id, version, replaces, body, body_type)
         VALUES ((SELECT id FROM jobs WHERE job = ?), ?, ?, ?, ?)",
    )?
    .execute(params![job.as_str(), version, replaces, Content(body), body.content_type.as_str()])?;
    Ok(())
}

impl Store {
    /// The updates of an opening after a version, as many as a reply holds; with `None` from the
    /// first one on, with what workers begin with. `None` if there is no such opening.
    pub(crate) fn updates(&self, opening: &OpeningId, after: Option<u64>) -> Result<Option<Updates>, StoreError> {
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT spec, (SELECT coalesce(max(version), 0) FROM updates WHERE job_id = id)
             FROM jobs WHERE opening = ?",
        )?;
        let row = statement.query_row([opening.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
        let Some((spec, version)) = row.optional()? else { return Ok(None) };
        let spec: JobSpec = serde_json::from_str(&spec).map_err(|error| StoreError::Content(error.to_string()))?;
        let init = spec.contract().init().filter(|_| after.is_none()).cloned();
        let mut bytes = init.as_ref().map_or(0, |init| init.len());
        let mut statement = self.db.all()?.prepare_cached(
            "SELECT version, replaces, body, body_type FROM updates
             WHERE job_id = (SELECT id FROM jobs WHERE opening = ?) AND version > ? ORDER BY version",
        )?;
        let mut rows = statement.query(params![opening.as_str(), after.unwrap_or(0)])?;
        let mut updates = Vec::new();
        while let Some(row) = rows.next()? {
            let update = Update { version: row.get(0)?, replaces: row.get(1)?, body: payload::required(row, 2)? };
            bytes += update.body.len();
            // One fits in any case.
            if bytes > UPDATES_REPLY_BYTES && (!updates.is_empty() || init.is_some()) {
                break;
            }
            updates.push(update);
        }
        Ok(Some(Updates { init, updates, version }))
    }
}
