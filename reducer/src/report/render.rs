//! Renders a job's report from its store, up to the first task without an outcome.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::job::{Counts, JobSpec};

use super::{Checksum, manifest};
use crate::fold::{self, Record};
use crate::store::{Reader, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line for each result; failures are left out.
    Text,
    /// One JSON object for each result or failure.
    Json,
    /// One JSON object for each failure.
    JsonFailures,
}

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "cannot write the report {}: {cause}",
        .path.as_ref().map_or_else(|| "to standard output".into(), |path| path.display().to_string())
    )]
    Output {
        /// The output file; `None` for standard output.
        path: Option<std::path::PathBuf>,
        cause: io::Error,
    },
    #[error("the store has no job {0}")]
    UnknownJob(JobId),
    #[error("job {job} was opened again in the meantime, or is in another store; check its status")]
    OtherOpening { job: JobId },
    /// The job is not over, or was opened again while its report was written.
    #[error("job {job} has changed while its report was written: only {tasks} of its tasks can be reported now")]
    Incomplete { job: JobId, tasks: u64 },
    /// A stored answer cannot be read, though it could be when it was committed.
    #[error("task {number} cannot be reported: {reason}")]
    Content { number: u64, reason: shared::protocol::reason::Reason },
}

impl ReportError {
    /// Adds the output's name to an error that does not have one yet.
    pub(super) fn of(self, name: Option<&Path>) -> Self {
        match self {
            Self::Output { path: None, cause } => Self::Output { path: name.map(Path::to_owned), cause },
            other => other,
        }
    }

    /// Whether the reader of the output has closed it, which is no failure of the report.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output { cause, .. } if cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A report that is written while its job runs. It holds one task at a time in memory.
#[derive(Debug)]
pub struct Render {
    reader: Reader,
    job: JobId,
    spec: JobSpec,
    format: Format,
    next: u64,
    /// The job's account. It is that of the complete plan where [`fold::Fold::needs_whole_plan`] says so.
    account: Option<Counts>,
    sha256: Checksum,
}

impl Render {
    /// Begins at the job's first task; `store` is the path of the store.
    pub fn new(store: &Path, job: &JobId, format: Format) -> Result<Self, ReportError> {
        let reader = Reader::open(store)?;
        let spec = reader.spec(job)?.ok_or_else(|| ReportError::UnknownJob(job.clone()))?;
        Ok(Self { reader, job: job.clone(), spec, format, next: 0, account: None, sha256: Checksum::default() })
    }

    /// Checks that the job still has this opening.
    pub(super) fn check_opening(&self, opening: &OpeningId) -> Result<(), ReportError> {
        match self.reader.opening(&self.job)? {
            Some(current) if current == *opening => Ok(()),
            _ => Err(ReportError::OtherOpening { job: self.job.clone() }),
        }
    }

    /// Writes the tasks below `answered` that are not written yet, and calls `failed` for each
    /// failed item. With [`u64::MAX`] it returns an error unless the whole report of a job that is
    /// over is written.
    pub fn write_up_to(
        &mut self,
        answered: u64,
        out: &mut dyn Write,
        failed: &mut dyn FnMut(&Record),
    ) -> Result<(), ReportError> {
        while self.next < answered {
            let Some(text) = self.section(failed)? else {
                if answered == u64::MAX {
                    self.check_whole()?;
                }
                break;
            };
            out.write_all(&text).map_err(|cause| ReportError::Output { path: None, cause })?;
        }
        out.flush().map_err(|cause| ReportError::Output { path: None, cause })
    }

    /// Checks that all tasks and the closing records are written.
    fn check_whole(&self) -> Result<(), ReportError> {
        let tasks = self.reader.plan_end(&self.job)?.map(|(tasks, _)| tasks);
        if tasks.is_some_and(|tasks| self.next > tasks) {
            return Ok(());
        }
        Err(ReportError::Incomplete { job: self.job.clone(), tasks: self.next })
    }

    /// The text of the next task, which must have its outcome, and after the last task the closing
    /// records of a finished job. `None` at the end of the report, and as long as the report cannot
    /// begin.
    pub(super) fn section(&mut self, failed: &mut dyn FnMut(&Record)) -> Result<Option<Vec<u8>>, ReportError> {
        let number = self.next;
        self.look_at_plan()?;
        let Some(account) = &self.account else { return Ok(None) };
        let mut next = number + 1;
        let records: Vec<Record> = match self.reader.section(&self.job, &self.spec, number)? {
            Some(section) => {
                if let (Some(derived), None) = (fold::of(&self.spec).derived(), &section.settled.answer) {
                    next = self.reader.after_unanswered(&self.job, derived, number)?;
                }
                let planned = section.plan_failures.into_iter();
                let planned = planned.map(|f| Record::Failed { name: f.name, reason: f.reason });
                let records = fold::of(&self.spec).records(account, &section.settled);
                planned.chain(records.map_err(|reason| ReportError::Content { number, reason })?).collect()
            }
            None => match self.reader.plan_end(&self.job)? {
                Some((tasks, account)) if tasks == number => fold::of(&self.spec).closing(&account),
                // A cancelled plan may have gaps: tasks that had not yet reached the owner.
                Some((tasks, _)) if number < tasks && self.reader.is_cancelled(&self.job)? => Vec::new(),
                _ => return Ok(None),
            },
        };
        self.next = next;
        Ok(Some(self.text(&records, failed)))
    }

    fn look_at_plan(&mut self) -> Result<(), ReportError> {
        if self.account.is_none() {
            self.account = if fold::of(&self.spec).needs_whole_plan() {
                self.reader.plan_end(&self.job)?.map(|(_, account)| account)
            } else {
                Some(Counts::default())
            };
        }
        Ok(())
    }

    fn text(&mut self, records: &[Record], failed: &mut dyn FnMut(&Record)) -> Vec<u8> {
        let (mut text, mut out) = (Vec::new(), Vec::new());
        for record in records {
            manifest::line(record, &mut text);
            let is_failure = matches!(record, Record::Failed { .. });
            if is_failure {
                failed(record);
            }
            if self.format == Format::Json || is_failure && self.format == Format::JsonFailures {
                json_line(record, &mut out);
            }
        }
        self.sha256.update(&text);
        if self.format == Format::Text { text } else { out }
    }

    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// The number of the task that comes next.
    pub(super) const fn place(&self) -> u64 {
        self.next
    }

    pub(super) fn seek(&mut self, task: u64) {
        self.next = task;
    }

    /// SHA-256 of the text written so far, in hexadecimal. It is over the text format, whatever
    /// format is written.
    pub fn sha256(&self) -> String {
        self.sha256.hex()
    }
}

fn json_line(record: &Record, out: &mut Vec<u8>) {
    let mut value = match record {
        Record::File { name, digest, size } => json!({"type": "file", "name": name, "digest": digest, "size": size}),
        Record::Counted { name, counts, .. } => {
            let mut value = json!({
                "lines": counts.lines, "words": counts.words, "characters": counts.characters, "bytes": counts.bytes
            });
            value["type"] = json!(if name.is_some() { "file" } else { "total" });
            if let Some(name) = name {
                value["name"] = json!(name);
            }
            value
        }
        Record::Whip { number, steps } => json!({"type": "whip", "number": number, "steps": steps}),
        Record::Failed { name, reason } => json!({"type": "failed", "name": name, "reason": reason}),
    };
    value["schema"] = json!(1);
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(b'\n');
}
