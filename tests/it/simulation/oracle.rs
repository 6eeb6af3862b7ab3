//! What a run must come to, worked out as plainly as it can be said: from the trees, and from what
//! the owners have committed, in order.

mod account;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use reducer::owner::{Event, Tag};
use reducer::store::Reader;
use shared::id::{JobId, StoreId, TaskId};
use shared::job::{Counts, JobSpec, JobState, JobStatus};
use shared::limits;
use shared::message::{Parts, Verdict};
use shared::workload::digest;

use super::jobs::{Fate, File, Job, Jobs};
use super::work::{counts_of, digest_of, steps_of, words_of};

/// An event that an owner has committed, as far as it matters here.
#[derive(Debug)]
pub(super) enum Seen {
    Part { store: StoreId, task: TaskId, run: String, number: u32 },
    Done { store: StoreId, task: TaskId, answer: Bytes, parts: Option<Parts> },
    Failed { store: StoreId, task: TaskId },
    Died { task: TaskId, is_an_attempt: bool },
    Cancel { job: JobId },
}

impl Seen {
    fn job(&self) -> &JobId {
        match self {
            Self::Part { task, .. } | Self::Done { task, .. } | Self::Failed { task, .. } | Self::Died { task, .. } => {
                &task.job
            }
            Self::Cancel { job } => job,
        }
    }
}

impl Seen {
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Part { part, .. } => {
                let (store, task) = (part.address.store.clone(), part.address.task.clone());
                Some(Self::Part { store, task, run: part.run.to_string(), number: part.number })
            }
            Event::Outcome { outcome, .. } => {
                let (store, task) = (outcome.address.store.clone(), outcome.address.task.clone());
                Some(match &outcome.verdict {
                    Verdict::Done(answer) => {
                        Self::Done { store, task, answer: answer.clone(), parts: outcome.parts.clone() }
                    }
                    Verdict::Failed(_) => Self::Failed { store, task },
                })
            }
            Event::DeadLetter { letter, .. } => {
                Some(Self::Died { task: letter.task.clone(), is_an_attempt: letter.death.is_an_attempt() })
            }
            Event::Cancel { job, .. } => Some(Self::Cancel { job: job.clone() }),
            _ => None,
        }
    }
}

/// The delivery that brought an event.
pub(super) fn tag_of(event: &Event) -> Option<Tag> {
    match event {
        Event::Planned { tag, .. }
        | Event::Seal { tag, .. }
        | Event::Part { tag, .. }
        | Event::Outcome { tag, .. }
        | Event::Lease { tag, .. }
        | Event::DeadLetter { tag, .. } => *tag,
        _ => None,
    }
}

/// What was committed of one task.
#[derive(Debug, Default)]
struct Record {
    first: Option<Bytes>,
    duplicates: u64,
    conflicts: u64,
    incomplete: u32,
    parts: BTreeSet<(String, u32)>,
}

/// What is known of a run.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    records: BTreeMap<TaskId, Record>,
    reports: BTreeMap<JobId, (Vec<u8>, Vec<u8>)>,
    pub finished: BTreeSet<JobId>,
    /// Jobs whose cancellation is durable, with their account as it was then.
    cancelled: BTreeMap<JobId, Counts>,
    /// Dead letters: of messages that somebody refused or the broker gave up, and of those that a policy took.
    deaths: BTreeMap<JobId, [u64; 2]>,
    /// Failed tasks that were put back to work.
    replays: BTreeMap<JobId, u64>,
    /// Deliveries of turns that were committed.
    pub turned: BTreeSet<Tag>,
    /// Whether a store was lost, so that messages for it are refused.
    pub store_was_lost: bool,
    complaint: Option<String>,
}

impl Oracle {
    /// Something is wrong; what was wrong first counts.
    pub fn complain(&mut self, what: impl Into<String>) {
        self.complaint.get_or_insert(what.into());
    }

    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// Nothing in a run is refused, but what belongs to a store that was lost.
    pub fn buried(&mut self, id: &str, reason: &str) {
        if !self.store_was_lost {
            self.complain(format!("{id} was refused: {reason}"));
        }
    }

    /// A turn's transaction is durable. `cancelled`: what its owner has as cancelled after it.
    pub fn committed(&mut self, store: &StoreId, seen: Vec<Seen>, cancelled: &BTreeMap<JobId, Counts>) {
        for seen in seen {
            if self.cancelled.contains_key(seen.job()) {
                // Its account stands.
                continue;
            }
            match seen {
                Seen::Cancel { job } => {
                    // All may have been done but its report: then it ends as any other.
                    let counts = cancelled.get(&job).cloned();
                    self.cancelled.extend(counts.map(|counts| (job, counts)));
                }
                Seen::Died { task, is_an_attempt } => {
                    self.deaths.entry(task.job).or_default()[usize::from(!is_an_attempt)] += 1;
                }
                Seen::Part { store: of, task, run, number } if of == *store => {
                    self.records.entry(task).or_default().parts.insert((run, number));
                }
                Seen::Done { store: of, task, answer, parts } if of == *store => {
                    self.records.entry(task).or_default().done(answer, parts);
                }
                Seen::Failed { store: of, task } if of == *store => {
                    let record = self.records.entry(task).or_default();
                    record.duplicates += u64::from(record.first.is_some());
                }
                _ => {}
            }
        }
    }

    /// A store is gone, with what was counted of its jobs.
    pub fn store_lost(&mut self, jobs: &Jobs, path_of: impl Fn(&Job) -> bool) {
        self.store_was_lost = true;
        let lost: BTreeSet<&JobId> = jobs.all.iter().filter(|job| path_of(job)).map(|job| &job.id).collect();
        self.records.retain(|task, _| !lost.contains(&task.job));
        self.finished.retain(|job| !lost.contains(job));
        self.cancelled.retain(|job, _| !lost.contains(job));
        self.replays.retain(|job, _| !lost.contains(job));
    }

    pub fn reported(&mut self, job: &JobId, text: Vec<u8>, frequencies: Vec<u8>) {
        self.reports.insert(job.clone(), (text, frequencies));
    }

    /// The owner says that the job is over: then it must be.
    pub fn finished(&mut self, jobs: &Jobs, store: &Path, status: JobStatus) {
        let id = status.job.clone();
        if let Some(job) = jobs.job(&id)
            && let Err(what) = self.check(jobs, job, store, &status, &BTreeMap::new(), false)
        {
            self.complain(format!("job {id} ended: {what}"));
        }
        self.finished.insert(id);
    }

    /// Whether a finished job is what it must be. `given_up`: by the broker, by message id; with it
    /// at the end of the run, when nothing is under way any more.
    pub fn check(
        &self,
        jobs: &Jobs,
        job: &Job,
        store: &Path,
        status: &JobStatus,
        given_up: &BTreeMap<String, u32>,
        is_last: bool,
    ) -> Result<(), String> {
        let is_cancelled = self.cancelled.contains_key(&job.id);
        let wanted = if is_cancelled { JobState::Cancelled } else { JobState::Finished };
        ensure(status.state == wanted, || format!("it is {}, not {}", status.state.as_str(), wanted.as_str()))?;
        let tasks = sections(store, job, is_cancelled).map_err(|error| format!("its store cannot be read: {error}"))?;
        self.check_plan(job, &tasks)?;
        self.check_account(&tasks, status)?;
        let (text, frequencies) = self.reports.get(&job.id).ok_or("it has no report")?;
        ensure_same("report", text, &self.text(job, &tasks)?)?;
        if let JobSpec::Words(_) = job.spec {
            ensure_same("frequencies", frequencies, &expected_frequencies(&tasks))?;
        }
        if is_last { self.check_failures(jobs, &tasks, given_up) } else { Ok(()) }
    }

    fn check_plan(&self, job: &Job, tasks: &[Task]) -> Result<(), String> {
        if let JobSpec::Steps(spec) = &job.spec {
            return ensure(tasks.len() as u64 == spec.whips, || format!("it has {} whips", tasks.len()));
        }
        let names: Vec<&str> = tasks.iter().flat_map(|task| &task.files).map(|file| file.name.as_str()).collect();
        if !job.has_changed {
            let whole: Vec<&str> = job.tree.iter().map(|file| file.name.as_str()).collect();
            // Cancelled, its plan is as long as it was.
            let is_cut = self.cancelled.contains_key(&job.id) && names.len() < whole.len();
            let whole = if is_cut { &whole[..names.len()] } else { &whole[..] };
            return ensure(names == whole, || format!("it planned {names:?}, and there are {whole:?}"));
        }
        ensure(names.is_sorted_by(|one, next| one < next), || format!("it planned {names:?}, not each once in order"))?;
        let missed: Vec<_> = job.stayed.iter().filter(|file| !names.contains(&file.name.as_str())).collect();
        ensure(missed.is_empty(), || format!("it planned {names:?}, and was there all the time: {missed:?}"))
    }

    fn text(&self, job: &Job, tasks: &[Task]) -> Result<Vec<u8>, String> {
        let mut text = String::new();
        match &job.spec {
            JobSpec::Steps(_) => {
                for task in tasks.iter().filter(|task| task.is_done()) {
                    text += &format!("{}\t{}\n", task.id.number, steps_of(task.id.number));
                }
            }
            JobSpec::Digest(_) => {
                for task in tasks.iter().filter(|task| task.is_done()) {
                    self.digest_lines(task, &mut text)?;
                }
            }
            JobSpec::Words(_) => {
                let listed = |file: &&File| file.fate() != Fate::Unlisted;
                let all: u64 = tasks.iter().flat_map(|task| &task.files).filter(listed).map(File::size).sum();
                let width = all.to_string().len();
                let mut line = |name: &str, lines: u64, words: u64, bytes: u64| {
                    text += &format!("{lines:>width$} {words:>width$} {bytes:>width$} {name}\n");
                };
                let mut total = (0, 0, 0);
                for file in good_files(tasks) {
                    let counts = counts_of(file);
                    line(&format!("r/{}", file.name), counts.lines, counts.words, counts.bytes);
                    total = (total.0 + counts.lines, total.1 + counts.words, total.2 + counts.bytes);
                }
                if tasks.iter().map(|task| task.files.len()).sum::<usize>() >= 2 {
                    line("total", total.0, total.1, total.2);
                }
            }
        }
        Ok(text.into_bytes())
    }

    fn digest_lines(&self, task: &Task, text: &mut String) -> Result<(), String> {
        let answer = self.records.get(&task.id).and_then(|record| record.first.clone());
        for (index, file) in task.files.iter().enumerate() {
            let digest = match file.fate() {
                fate if fate.is_without_result() => continue,
                // The first answer counts, whichever it was.
                Fate::Unstable => {
                    let first = answer.as_ref().ok_or_else(|| format!("task {} has no answer", task.id))?;
                    let first: digest::Answer = serde_json::from_slice(first).map_err(|error| error.to_string())?;
                    first.digests[index].clone().unwrap_or_default()
                }
                _ => digest_of(&file.name),
            };
            *text += &format!("{digest}  r/{}\n", file.name);
        }
        Ok(())
    }

    /// A task is given up for a reason.
    fn check_failures(&self, jobs: &Jobs, tasks: &[Task], given_up: &BTreeMap<String, u32>) -> Result<(), String> {
        for task in tasks {
            let has = |fate| task.files.iter().any(|file| file.fate() == fate);
            let must_fail = has(Fate::Poison) || has(Fate::Refused);
            ensure(!must_fail || task.is_given_up || !task.has_outcome, || {
                format!("task {} cannot be done, and was", task.id)
            })?;
            if task.is_given_up && !must_fail {
                let failures = jobs.failures.get(&task.id).copied().unwrap_or(0)
                    + given_up.get(&task.id.to_string()).copied().unwrap_or(0)
                    + self.records.get(&task.id).map_or(0, |record| record.incomplete);
                ensure(failures >= limits::ATTEMPTS_MAX, || {
                    format!("task {} was given up after {failures} failures", task.id)
                })?;
            }
        }
        Ok(())
    }
}

impl Record {
    fn done(&mut self, answer: Bytes, parts: Option<Parts>) {
        if let Some(first) = &self.first {
            self.duplicates += 1;
            self.conflicts += u64::from(*first != answer);
            return;
        }
        let is_there = |parts: &Parts| (0..parts.count).all(|n| self.parts.contains(&(parts.run.to_string(), n)));
        if parts.as_ref().is_none_or(is_there) {
            self.first = Some(answer);
        } else {
            self.incomplete += 1;
        }
    }
}

/// A task as the store has it.
#[derive(Debug)]
struct Task {
    id: TaskId,
    is_whip: bool,
    files: Vec<File>,
    is_given_up: bool,
    has_outcome: bool,
}

impl Task {
    fn is_done(&self) -> bool {
        self.has_outcome && !self.is_given_up
    }
}

fn sections(store: &Path, job: &Job, is_cancelled: bool) -> Result<Vec<Task>, String> {
    let reader = Reader::open(store).map_err(|error| error.to_string())?;
    let sealed = reader.sealed(&job.id).map_err(|error| error.to_string())?;
    let count = sealed.map_or(0, |(tasks, _)| tasks);
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
        tasks.push(Task { id: TaskId { job: job.id.clone(), number }, is_whip, files, is_given_up, has_outcome });
    }
    Ok(tasks)
}

fn files_of(body: &[u8]) -> Result<Vec<File>, String> {
    let body: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let items = body["files"]["items"].as_array().ok_or("a task without items")?;
    Ok(items.iter().map(|item| File { name: item["path"].as_str().unwrap_or_default().to_owned() }).collect())
}

fn good_files(tasks: &[Task]) -> impl Iterator<Item = &File> {
    let is_good = |file: &&File| !file.fate().is_without_result();
    tasks.iter().filter(|task| task.is_done()).flat_map(|task| &task.files).filter(is_good)
}

fn expected_frequencies(tasks: &[Task]) -> Vec<u8> {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    good_files(tasks).flat_map(words_of).for_each(|word| *words.entry(word).or_default() += 1);
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    words.iter().map(|(word, count)| format!("{count}\t{word}\n")).collect::<String>().into_bytes()
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn ensure_same(what: &str, is: &[u8], wanted: &[u8]) -> Result<(), String> {
    ensure(is == wanted, || {
        let (is, wanted) = (String::from_utf8_lossy(is), String::from_utf8_lossy(wanted));
        let differs = is.lines().zip(wanted.lines()).find(|(is, wanted)| is != wanted);
        match differs {
            Some((is, wanted)) => format!("its {what} says {is:?} where {wanted:?} should be"),
            None => format!("its {what} has {} lines instead of {}", is.lines().count(), wanted.lines().count()),
        }
    })
}
