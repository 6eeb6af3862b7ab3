//! Reports of finished jobs, written into a service's output directory.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::limits;

use super::wiring::Wiring;
use super::{Kind, ServiceError};
use crate::owner::Event;
use crate::report::{self, Format, Render, ReportError, Side};
use crate::store::Reader;

impl Wiring {
    /// Completes a job's report, once every task has its outcome or the job was cancelled. A
    /// service writes the report; a command is told to write it.
    pub fn report(self: &Arc<Self>, job: JobId, opening: OpeningId) {
        let output_dir = match &self.kind {
            Kind::Command { .. } => return self.followers.reached(&opening, |reached| reached.is_over = true),
            Kind::Service { output_dir } => output_dir.clone(),
        };
        let wiring = Arc::clone(self);
        tokio::spawn(async move {
            // The results are safe in the store, so a full disk only delays the report.
            loop {
                let (holder, directory) = (Arc::clone(&wiring), output_dir.clone());
                let (id, of) = (job.clone(), opening.clone());
                let write = move || {
                    let _one_at_a_time = holder.reporting.lock().unwrap_or_else(PoisonError::into_inner);
                    write_report(&holder.store, &id, &of, directory.as_deref())
                };
                match tokio::task::spawn_blocking(write).await {
                    Ok(Ok(Some(sha256))) => return wiring.tell(Event::Reported { job, opening, sha256 }).await,
                    // The job was opened again meanwhile.
                    Ok(Ok(None)) => return,
                    Ok(Err(error)) => {
                        tracing::error!(%error, %job, "A report cannot be written; trying again.");
                        let (job, opening) = (job.clone(), opening.clone());
                        wiring.tell(Event::Unreported { job, opening, reason: error.to_string() }).await;
                    }
                    Err(error) => return wiring.fail(ServiceError::Report(error.to_string())).await,
                }
                tokio::time::sleep(limits::REPORT_RETRY).await;
            }
        });
    }
}

/// Writes the report and its side report, if there is one; returns the report's SHA-256. `None` if
/// the job has another opening by now.
fn write_report(
    store: &Path,
    job: &JobId,
    opening: &OpeningId,
    output_dir: Option<&Path>,
) -> Result<Option<String>, ReportError> {
    let is_current = || Ok::<_, ReportError>(Reader::open(store)?.opening(job)?.as_ref() == Some(opening));
    if !is_current()? {
        return Ok(None);
    }
    let mut render = Render::new(store, job, Format::Text)?;
    let mut whole = |out: &mut dyn std::io::Write| render.write_up_to(u64::MAX, out, &mut |_| {});
    let Some(directory) = output_dir else {
        whole(&mut std::io::sink())?;
        return Ok(is_current()?.then(|| render.sha256()));
    };
    let given = Reader::open(store)?.report_name(job)?;
    let name = given.as_deref().unwrap_or(job.as_str());
    report::write_file(&directory.join(format!("{name}.{}", report::MANIFEST)), whole)?;
    let side = Side::of(render.spec());
    for kind in Side::ALL {
        let path = directory.join(format!("{name}.{}", kind.ending));
        if side.is_some_and(|side| side.ending == kind.ending) {
            report::write_file(&path, |out| kind.write(store, job, None, out))?;
        } else if given.is_some() {
            // The side report of an earlier job of this name would be taken for this job's.
            remove_if_there(&path)?;
        }
    }
    Ok(is_current()?.then(|| render.sha256()))
}

fn remove_if_there(path: &Path) -> Result<(), ReportError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(ReportError::Output { path: Some(path.to_owned()), cause })
        }
        _ => Ok(()),
    }
}
