//! What a run must come to, worked out as plainly as it can be said: from the trees, and from what
//! the owners have committed, in order.

mod account;
mod record;
mod seen;
mod taken;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reducer::owner::Tag;
use shared::protocol::id::{JobId, OpeningId, PlanHash, TaskId};
use shared::protocol::job::{Counts, JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::system::clock::Moment;

use record::Record;
pub(super) use seen::{Key, Seen, tag_of};
use taken::Taken;
use tasks::{Task, sections};

use super::chain;
use super::jobs::{Fate, File, Job, Jobs, Runner};
use super::work::{counts_of, digest_of, words_of};

/// What is known of a run.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    records: BTreeMap<Key, Record>,
    /// The plans of which a rest was sent, by what stands for that.
    rests: BTreeMap<PlanHash, PlanHash>,
    /// Each plan that somebody has made, up to some task, and the files of that task.
    plans: BTreeMap<PlanHash, Vec<File>>,
    /// What of each job has an answer, from whichever opening.
    taken: BTreeMap<JobId, Taken>,
    /// Records and taken files when the store was copied.
    copied: (BTreeMap<Key, Record>, BTreeMap<JobId, Taken>),
    /// The opening that each job has.
    openings: BTreeMap<JobId, OpeningId>,
    /// Openings that others have replaced.
    replaced: BTreeSet<OpeningId>,
    reports: BTreeMap<JobId, (Vec<u8>, Vec<u8>)>,
    pub finished: BTreeSet<JobId>,
    /// Jobs whose cancellation is durable, with their account as it was then.
    cancelled: BTreeMap<JobId, Counts>,
    /// Dead letters: of messages that somebody refused or the broker gave up, and of those that a policy took.
    deaths: BTreeMap<(JobId, Option<OpeningId>), [u64; 2]>,
    /// Failed tasks that were put back to work.
    replays: BTreeMap<JobId, u64>,
    /// Deliveries of turns that were committed.
    pub turned: BTreeSet<Tag>,
    /// Whether a store was lost, or is an older one, so that messages for it are refused.
    pub store_was_lost: bool,
    store_was_older: bool,
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
    pub fn dead_lettered(&mut self, id: &str, reason: &str) {
        if !self.store_was_lost {
            self.complain(format!("{id} was refused: {reason}"));
        }
    }

    /// A task was sent of which a part of the answer is known: a message that names `rest` is about that plan's.
    pub fn sent_rest(&mut self, rest: PlanHash, plan: PlanHash) {
        self.rests.insert(rest, plan);
    }

    /// Says which of what is said is about the rest of a task.
    pub fn sort_out(&self, seen: &mut [Seen]) {
        for said in seen.iter_mut().filter_map(Seen::said) {
            if let Some(plan) = self.rests.get(&said.key.plan) {
                said.rest = Some(std::mem::replace(&mut said.key.plan, plan.clone()));
            }
        }
    }

    /// A turn's transaction is durable. `cancelled`: what its owner has as cancelled after it. `was_known`: what it had
    /// planned before it, and which rest of it was asked for. `left`: the rest that it asks another consumer for after
    /// it.
    pub fn committed(
        &mut self,
        seen: Vec<Seen>,
        cancelled: &BTreeMap<JobId, Counts>,
        was_known: &BTreeMap<Key, Option<PlanHash>>,
        left: impl Fn(&Key) -> Option<PlanHash>,
    ) {
        let mut planned: BTreeSet<PlanHash> = BTreeSet::new();
        for mut seen in seen {
            // What is said of a task that an older store does not have is refused.
            let is_known = |of: &Key| was_known.contains_key(of) || planned.contains(&of.plan);
            if seen.said().is_some_and(|said| !is_known(&said.key)) {
                continue;
            }
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
                Seen::Planned { plan, files, .. } => {
                    planned.insert(plan.clone());
                    self.plans.insert(plan, files);
                }
                Seen::Died { task, opening, is_an_attempt } => {
                    self.deaths.entry((task.job, opening)).or_default()[usize::from(!is_an_attempt)] += 1;
                }
                Seen::Part { of, run, number } => {
                    self.records.entry(of.key).or_default().parts.insert((run, number));
                }
                Seen::Done { of, answer, parts } => {
                    let files = self.plans.get(&of.key.plan).cloned().unwrap_or_default();
                    let asked = was_known.get(&of.key).and_then(Option::as_ref);
                    let taken = self.taken.entry(of.key.task.job.clone()).or_default();
                    let record = self.records.entry(of.key.clone()).or_default();
                    let counts = record.done(&of, (answer.clone(), parts), asked, left(&of.key));
                    taken.note(files, counts.then_some(&answer));
                }
                Seen::Failed { of } => {
                    let asked = was_known.get(&of.key).and_then(Option::as_ref);
                    self.records.entry(of.key.clone()).or_default().failed(&of, asked);
                }
            }
        }
    }

    /// What the store has of a plan somebody has made in one walk.
    pub fn check_planned(&mut self, task: &TaskId, plan: &PlanHash) {
        if !self.plans.contains_key(plan) {
            self.complain(format!("task {task} is planned, and goes on with a plan of another walk"));
        }
    }

    /// A store is gone, with what was counted of its jobs.
    pub fn store_lost(&mut self, jobs: &Jobs, path_of: impl Fn(&Job) -> bool) {
        self.store_was_lost = true;
        let lost: BTreeSet<&JobId> = jobs.all.iter().filter(|job| path_of(job)).map(|job| &job.id).collect();
        self.finished.retain(|job| !lost.contains(job));
        self.cancelled.retain(|job, _| !lost.contains(job));
        self.replays.retain(|job, _| !lost.contains(job));
        self.taken.retain(|job, _| !lost.contains(job));
    }

    /// The store is copied as it is.
    pub fn store_copied(&mut self) {
        self.copied = (self.records.clone(), self.taken.clone());
    }

    /// That copy takes the place of the store. `is_its`: the jobs in it.
    pub fn store_is_older(&mut self, is_its: impl Fn(&JobId) -> bool) {
        (self.store_was_lost, self.store_was_older) = (true, true);
        self.records.retain(|of, _| !is_its(&of.task.job));
        let (records, taken) = self.copied.clone();
        self.records.extend(records.into_iter().filter(|(of, _)| is_its(&of.task.job)));
        self.taken.retain(|job, _| !is_its(job));
        self.taken.extend(taken.into_iter().filter(|(job, _)| is_its(job)));
    }

    /// How a job stands after a turn: one that has another opening has begun anew.
    pub fn opened(&mut self, job: &JobId, opening: &OpeningId) {
        let before = self.openings.insert(job.clone(), opening.clone());
        if let Some(before) = before.filter(|before| before != opening) {
            self.replaced.insert(before);
            self.finished.remove(job);
            self.reports.remove(job);
        }
    }

    /// Whether nobody wants what a message of a task is about.
    pub fn is_recalled(&self, opening: &str) -> bool {
        self.replaced.iter().any(|replaced| replaced.as_str() == opening)
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
        // A job may end with what an earlier walk had sent, until its producer hears of that.
        // Of an older store a producer that has left hears nothing.
        let has_left = self.store_was_older && job.runner == Runner::Producer { waits: false };
        // One that found its job finished walked no more, whatever the one before it was about to hear.
        let has_left = has_left || jobs.begun_again.contains(&job.id);
        let is_settled = |plan| status.plan.as_ref() == Some(plan) || (is_last && !has_left);
        let walked = jobs.walked.get(&job.id).filter(|(_, plan)| is_settled(plan));
        check_lost(jobs, job, &tasks)?;
        self.check_plan(job, walked.map(|(begun, _)| begun), &tasks)?;
        self.check_account(&tasks, status)?;
        let has_answer = |task: &Task| self.records.get(&task.key).is_some_and(|record| record.first.is_some());
        let taken = self.taken.get(&job.id);
        let is_told = |task: &Task| task.files.is_empty() || task.is_told(has_answer(task), taken);
        let stray = tasks.iter().find(|task| task.is_done() && !is_told(task));
        ensure(stray.is_none(), || format!("it has an answer that was given to another task: {stray:?}"))?;
        let (text, frequencies) = self.reports.get(&job.id).ok_or("it has no report")?;
        ensure_same("report", text, &self.text(job, &tasks)?)?;
        if let JobSpec::Words(_) = job.spec {
            ensure_same("frequencies", frequencies, &expected_frequencies(&tasks))?;
        }
        if is_last { self.check_failures(jobs, job, &tasks, given_up) } else { Ok(()) }
    }

    /// `walked`: when the last walk began that came to its end.
    fn check_plan(&self, job: &Job, walked: Option<&Moment>, tasks: &[Task]) -> Result<(), String> {
        if let JobSpec::Steps(spec) = &job.spec {
            // A stored plan is as long as it was when its job was cancelled.
            let is_cut = spec.needs > 0 && self.cancelled.contains_key(&job.id) && tasks.len() as u64 <= spec.whips;
            let is_whole = tasks.len() as u64 == spec.whips || is_cut;
            return ensure(is_whole, || format!("it has {} whips", tasks.len()));
        }
        let names: Vec<&str> = tasks.iter().flat_map(|task| &task.files).map(|file| file.name.as_str()).collect();
        // A walk that began after the last change has seen the tree as it is: what was planned before it, and is
        // otherwise now, was planned anew.
        let is_at_rest = job.changed_at.is_none_or(|changed| walked.is_some_and(|walked| *walked > changed));
        if is_at_rest {
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
            JobSpec::Steps(spec) => {
                for task in tasks.iter().filter(|task| task.is_done()) {
                    text += &format!("{}\t{}\n", task.id.number, chain::steps_of(spec, task.id.number));
                }
            }
            JobSpec::Call(_) => {}
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
        let taken = self.taken.get(&task.id.job);
        for file in &task.files {
            let digest = match file.fate() {
                _ if task.has_none(file) => continue,
                // The first answer counts, whichever it was.
                Fate::Unstable => {
                    let first = taken.and_then(|taken| taken.digest(file));
                    first.ok_or_else(|| format!("task {} has no answer", task.id))?.to_owned()
                }
                _ => digest_of(&file.content()),
            };
            *text += &format!("{digest}  r/{}\n", file.name);
        }
        Ok(())
    }

    /// A task is given up for a reason.
    fn check_failures(
        &self,
        jobs: &Jobs,
        job: &Job,
        tasks: &[Task],
        given_up: &BTreeMap<String, u32>,
    ) -> Result<(), String> {
        for task in tasks {
            let has = |fate| task.files.iter().any(|file| file.fate() == fate);
            let is_in_vain = |spec| chain::must_fail(spec, task.id.number);
            let is_broken = matches!(&job.spec, JobSpec::Steps(spec) if is_in_vain(spec));
            let must_fail = has(Fate::Poison) || has(Fate::Refused) || is_broken;
            ensure(!must_fail || task.is_given_up || !task.has_outcome, || {
                format!("task {} cannot be done, and was", task.id)
            })?;
            if task.is_given_up && !must_fail {
                let failures = jobs.failures.get(&task.id).copied().unwrap_or(0)
                    + given_up.get(&task.id.to_string()).copied().unwrap_or(0)
                    + self.records.get(&task.key).map_or(0, |record| record.incomplete);
                ensure(failures >= limits::ATTEMPTS_MAX, || {
                    format!("task {} was given up after {failures} failures", task.id)
                })?;
            }
        }
        Ok(())
    }
}

/// A file has no result only if some consumer may have seen another one, or none.
fn check_lost(jobs: &Jobs, job: &Job, tasks: &[Task]) -> Result<(), String> {
    let is_elsewhere = |file: &File| !job.tree.contains(file) || job.gone.contains(file);
    let may_lag = |file: &File| jobs.has_copies && !jobs.has_whole && !job.first.contains(file);
    let lost = tasks.iter().flat_map(|task| &task.lost).find(|file| !is_elsewhere(file) && !may_lag(file));
    ensure(lost.is_none(), || format!("it has no result for {lost:?}, which everybody has"))
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
