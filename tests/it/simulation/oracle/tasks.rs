//! The tasks of a job as its store has them.

use std::path::Path;

use reducer::store::Reader;
use shared::id::{PlanHash, TaskId};
use shared::job::JobSpec;

use super::{Key, ensure};
use crate::simulation::jobs::{Fate, File, Job};

/// A task as the store has it.
#[derive(Debug)]
pub(super) struct Task {
    pub id: TaskId,
    pub key: Key,
    pub is_whip: bool,
    pub files: Vec<File>,
    pub is_given_up: bool,
    pub has_outcome: bool,
}

impl Task {
    pub fn is_done(&self) -> bool {
        self.has_outcome && !self.is_given_up
    }

    /// Whether it needs no answer, or has the one that was given to it.
    pub fn is_told(&self, has_answer: bool) -> bool {
        has_answer || self.files.iter().all(|file| file.fate() == Fate::Unlisted)
    }
}

pub(super) fn sections(store: &Path, job: &Job, is_cancelled: bool) -> Result<Vec<Task>, String> {
    let reader = Reader::open(store).map_err(|error| error.to_string())?;
    let sealed = reader.sealed(&job.id).map_err(|error| error.to_string())?;
    let count = sealed.map_or(0, |(tasks, _)| tasks);
    let opening = reader.opening(&job.id).map_err(|error| error.to_string())?.ok_or("it is not in the store")?;
    let mut tasks = Vec::new();
    for number in 0..count {
        let section = reader.section(&job.id, &job.spec, number).map_err(|error| error.to_string())?;
        let section = section.ok_or_else(|| format!("task {number} of {count} is missing"))?;
        let mut files: Vec<File> = Vec::new();
        for failure in section.plan_failures {
            files.push(File { name: String::from_utf8_lossy(failure.name.as_bytes()).into_owned() });
        }
        let is_whip = matches!(job.spec, JobSpec::Steps(_));
        if let Some(body) = section.settled.body.as_ref().filter(|_| !is_whip) {
            files.extend(files_of(body)?);
        }
        let answer = section.settled.answer;
        let has_outcome = answer.is_some() || section.settled.body.is_none();
        ensure(has_outcome || is_cancelled, || format!("task {number} has no outcome"))?;
        let is_given_up = matches!(answer, Some(Err(_)));
        let id = TaskId { job: job.id.clone(), number };
        let plan = reader.plan(&job.id, number).map_err(|error| error.to_string())?.unwrap_or_else(PlanHash::start);
        let key = Key { task: id.clone(), opening: opening.clone(), plan };
        tasks.push(Task { id, key, is_whip, files, is_given_up, has_outcome });
    }
    Ok(tasks)
}

fn files_of(body: &[u8]) -> Result<Vec<File>, String> {
    let body: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let items = body["files"]["items"].as_array().ok_or("a task without items")?;
    Ok(items.iter().map(|item| File { name: item["path"].as_str().unwrap_or_default().to_owned() }).collect())
}
