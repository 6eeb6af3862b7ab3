//! The tasks of a job as its store has them.

use std::collections::BTreeSet;
use std::path::Path;

use reducer::store::Reader;
use serde_json::Value;
use shared::protocol::id::{PlanHash, TaskId};
use shared::protocol::job::JobSpec;
use shared::protocol::workload::files::Item;

use super::taken::Taken;
use super::{Key, ensure};
use crate::simulation::jobs::{Fate, File, Job};

/// A task as the store has it.
#[derive(Debug)]
pub(super) struct Task {
    pub id: TaskId,
    pub key: Key,
    pub is_whip: bool,
    pub files: Vec<File>,
    /// Those of them that no consumer had as they were planned.
    pub lost: BTreeSet<File>,
    pub is_given_up: bool,
    pub has_outcome: bool,
}

impl Task {
    pub fn is_done(&self) -> bool {
        self.has_outcome && !self.is_given_up
    }

    /// Those without a result, although there may be one for others of its files.
    pub fn has_none(&self, file: &File) -> bool {
        file.fate().is_without_result() || self.lost.contains(file)
    }

    /// Whether it has the answer that was `given` to it; or needs none, as its files are such that cannot be listed, or
    /// that an opening before was answered for: these are `taken` over.
    pub fn is_told(&self, given: bool, taken: Option<&Taken>) -> bool {
        let is_told = |file: &File| file.fate() == Fate::Unlisted || taken.is_some_and(|taken| taken.contains(file));
        given || self.files.iter().all(is_told)
    }
}

pub(super) fn sections(store: &Path, job: &Job, is_cancelled: bool) -> Result<Vec<Task>, String> {
    let reader = Reader::open(store).map_err(|error| error.to_string())?;
    let plan_end = reader.plan_end(&job.id).map_err(|error| error.to_string())?;
    let count = plan_end.map_or(0, |(tasks, _)| tasks);
    let opening = reader.opening(&job.id).map_err(|error| error.to_string())?.ok_or("it is not in the store")?;
    let mut tasks = Vec::new();
    for number in 0..count {
        let section = reader.section(&job.id, &job.spec, number).map_err(|error| error.to_string())?;
        let section = section.ok_or_else(|| format!("task {number} of {count} is missing"))?;
        let mut files: Vec<File> = Vec::new();
        for failure in section.plan_failures {
            files.push(File::unlisted(&failure.name));
        }
        let is_whip = matches!(job.spec, JobSpec::Steps(_));
        if let Some(body) = section.settled.body.as_ref().filter(|_| !is_whip) {
            files.extend(files_of(body)?);
        }
        let answer = section.settled.answer;
        let lost = match &answer {
            Some(Ok(answer)) if !is_whip => lost(answer)?.into_iter().map(|item| files[item].clone()).collect(),
            _ => BTreeSet::new(),
        };
        let has_outcome = answer.is_some() || section.settled.body.is_none();
        ensure(has_outcome || is_cancelled, || format!("task {number} has no outcome"))?;
        let is_given_up = matches!(answer, Some(Err(_)));
        let id = TaskId { job: job.id.clone(), number };
        let plan = reader.plan(&job.id, number).map_err(|error| error.to_string())?.unwrap_or_else(PlanHash::start);
        let key = Key { task: id.clone(), opening: opening.clone(), plan };
        tasks.push(Task { id, key, is_whip, files, lost, is_given_up, has_outcome });
    }
    Ok(tasks)
}

/// The files of a task's body; none if it is not about files.
pub(super) fn files_of(body: &[u8]) -> Result<Vec<File>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let items = body["files"]["items"].as_array().cloned().unwrap_or_default();
    let file = |item| serde_json::from_value(item).map(|item: Item| File::of(&item)).map_err(|error| error.to_string());
    items.into_iter().map(file).collect()
}

/// The items that no consumer had, by their places in the answer.
fn lost(answer: &[u8]) -> Result<Vec<usize>, String> {
    let answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let failed = answer["failed"].as_array().cloned().unwrap_or_default();
    // Whatever else fails in these runs has one reason.
    let was_asked_twice =
        |failure: &Value| failure["reason"].as_str().is_some_and(|reason| reason.contains("; then: "));
    let lost = failed.iter().filter(|failure| failure["elsewhere"] == true || was_asked_twice(failure));
    Ok(lost.filter_map(|failure| failure["item"].as_u64()).filter_map(|item| item.try_into().ok()).collect())
}
