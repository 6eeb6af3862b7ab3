//! Rendering a job's report from its store, as far as its tasks have their outcomes.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use shared::protocol::id::JobId;
use shared::protocol::job::{Counts, JobSpec};

use super::{Checksum, manifest};
use crate::fold::{self, Record};
use crate::store::{Reader, StoreError};

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line a result; failures are not part of it.
    Text,
    /// One JSON object a result or failure.
    Json,
    /// One JSON object a failure.
    JsonFailures,
}

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output failed.
    #[error(
        "cannot write the report {}: {cause}",
        .path.as_ref().map_or_else(|| "to standard output".into(), |path| path.display().to_string())
    )]
    Output {
        /// Where to, if not to standard output.
        path: Option<std::path::PathBuf>,
        /// What the system said.
        cause: io::Error,
    },
    /// No such job.
    #[error("the store has no job {0}")]
    UnknownJob(JobId),
    /// The job is not over, or was begun anew meanwhile.
    #[error("job {job} has changed while its report was written: only {tasks} of its tasks can be reported now")]
    Incomplete {
        /// The job.
        job: JobId,
        /// How many tasks were written.
        tasks: u64,
    },
    /// A stored answer cannot be read, though it was when it was committed.
    #[error("task {number} cannot be reported: {reason}")]
    Content {
        /// The task.
        number: u64,
        /// Why.
        reason: shared::protocol::reason::Reason,
    },
}

impl ReportError {
    /// The same of an output that has this name, if it was not known yet which it is.
    pub(super) fn of(self, name: Option<&Path>) -> Self {
        match self {
            Self::Output { path: None, cause } => Self::Output { path: name.map(Path::to_owned), cause },
            other => other,
        }
    }

    /// Whether the reader of the output has gone away, which is no error.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output { cause, .. } if cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A report that grows with its job. It holds one task at a time in memory.
#[derive(Debug)]
pub struct Render {
    reader: Reader,
    job: JobId,
    spec: JobSpec,
    format: Format,
    next: u64,
    /// The job's account: of the complete plan, where the records show something of it.
    account: Option<Counts>,
    sha256: Checksum,
}

impl Render {
    /// Begins at the first task of a job in the store at `store`.
    pub fn new(store: &Path, job: &JobId, format: Format) -> Result<Self, ReportError> {
        let reader = Reader::open(store)?;
        let spec = reader.spec(job)?.ok_or_else(|| ReportError::UnknownJob(job.clone()))?;
        Ok(Self { reader, job: job.clone(), spec, format, next: 0, account: None, sha256: Checksum::default() })
    }

    /// Writes the tasks below `answered` that are not written yet, and tells of failed items. With [`u64::MAX`] it is
    /// an error if that is not all of a job that is over.
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

    /// Whether all tasks are written, and what closes the report.
    fn check_whole(&self) -> Result<(), ReportError> {
        let tasks = self.reader.plan_end(&self.job)?.map(|(tasks, _)| tasks);
        if tasks.is_some_and(|tasks| self.next > tasks) {
            return Ok(());
        }
        Err(ReportError::Incomplete { job: self.job.clone(), tasks: self.next })
    }

    /// The bytes of the next task, which must have its outcome, and after the last one what closes a
    /// finished job's report. `None` at its end, and as long as it cannot begin.
    pub(super) fn section(&mut self, failed: &mut dyn FnMut(&Record)) -> Result<Option<Vec<u8>>, ReportError> {
        let number = self.next;
        self.look_at_plan()?;
        let Some(account) = &self.account else { return Ok(None) };
        let records: Vec<Record> = match self.reader.section(&self.job, &self.spec, number)? {
            Some(section) => {
                let planned = section.plan_failures.into_iter();
                let planned = planned.map(|f| Record::Failed { name: f.name, reason: f.reason });
                let records = fold::records(&self.spec, account, &section.settled);
                planned.chain(records.map_err(|reason| ReportError::Content { number, reason })?).collect()
            }
            None => match self.reader.plan_end(&self.job)? {
                Some((tasks, account)) if tasks == number => fold::closing(&self.spec, &account),
                // A plan that was cancelled may have gaps, where tasks were on their way to the owner.
                Some((tasks, _)) if number < tasks && self.reader.is_cancelled(&self.job)? => Vec::new(),
                _ => return Ok(None),
            },
        };
        self.next += 1;
        Ok(Some(self.text(&records, failed)))
    }

    fn look_at_plan(&mut self) -> Result<(), ReportError> {
        if self.account.is_none() {
            self.account = if fold::needs_whole_plan(&self.spec) {
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

    /// What the job asks for.
    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    pub(super) fn seek(&mut self, task: u64) {
        self.next = task;
    }

    /// SHA-256 of the text written so far, in hexadecimal, whatever the format.
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
