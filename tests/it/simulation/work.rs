//! The work on one task: its answer, and the parts that come before it.

use std::collections::BTreeMap;

use consumer::work::{Compare, Found, Piece, WorkError, judge_plain};
use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use shared::protocol::job::JobSpec;
use shared::protocol::message::{Failure, Task};
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::{Files, Item, ItemFailure};
use shared::protocol::workload::words::{Check, Counts, part};
use shared::protocol::workload::{Workload, digest, steps, words};

use super::chain;
use super::jobs::{Fate, File, Jobs};

/// What one run of a task comes to.
#[derive(Debug)]
pub(super) struct Work {
    /// Published first, one by one.
    pub pieces: Vec<Piece>,
    pub result: Result<Payload, WorkError>,
    /// Whether it outlasts the broker's patience.
    pub is_long: bool,
    /// Whether it kills the process, unless it is isolated.
    pub kills: bool,
    /// Whether one of its items fails alone.
    pub has_bad: bool,
}

impl Work {
    fn only(result: Result<Payload, WorkError>) -> Self {
        Self { pieces: Vec::new(), result, is_long: false, kills: false, has_bad: false }
    }

    fn of(self, files: &[Read]) -> Self {
        let has = |fate| files.iter().any(|read| read.file.fate() == fate);
        Self { is_long: has(Fate::Long), kills: has(Fate::Killer), has_bad: has(Fate::Bad), ..self }
    }
}

/// What a consumer sees of the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// All as it was planned.
    Planned,
    /// All as it is.
    Now,
    /// A copy that lags for ever: all as it was at first.
    First,
}

/// How a consumer sees, and what it compares with the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Eyes {
    pub sight: Sight,
    pub compare: Compare,
}

/// A file of a task as a consumer finds it; or as it was planned, and why there is no such file.
struct Read {
    file: File,
    lost: Option<String>,
}

impl Read {
    fn has_result(&self) -> bool {
        self.lost.is_none() && !self.file.fate().is_without_result()
    }
}

fn look(task: &Task, files: &Files, jobs: &Jobs, eyes: Eyes) -> Vec<Read> {
    let job = jobs.job(&task.address.task.job);
    let tree = job.and_then(|job| match eyes.sight {
        Sight::Planned => None,
        Sight::Now => Some(&job.tree),
        Sight::First => Some(&job.first),
    });
    let look = |item: &Item| {
        let planned = File::of(item);
        let Some(tree) = tree else { return Read { file: planned, lost: None } };
        let Some(found) = tree.iter().find(|file| file.name == planned.name) else {
            return Read { file: planned, lost: Some("it is not there".to_owned()) };
        };
        let here = (found.size(), found.modified);
        match judge_plain(eyes.compare, files, item, task.planned_at, here) {
            Found::Other(what) => Read { file: planned, lost: Some(what) },
            Found::Same | Found::Untimed | Found::Changed => Read { file: found.clone(), lost: None },
        }
    };
    files.items.iter().map(look).collect()
}

/// Works on a task once more.
pub(super) fn work(task: &Task, jobs: &mut Jobs, eyes: Eyes, random: &mut SmallRng) -> Work {
    let id = &task.address.task;
    let runs = jobs.runs.entry(id.clone()).or_default();
    *runs += 1;
    let run = *runs;
    let is_cured = jobs.cured.contains(&id.job);
    let work = match task.address.workload {
        Workload::Steps => match jobs.job(&id.job).map(|job| &job.spec) {
            Some(JobSpec::Steps(spec)) if chain::is_hopeless(spec, id.number) => {
                Work::only(Err(WorkError::Permanent(Failure { reason: "too far".to_owned(), stderr: String::new() })))
            }
            _ => steps(&task.body, run),
        },
        Workload::Call => unreachable!("no job of the simulation is a pool"),
        Workload::Digest => match digest::Batch::parse(&task.body) {
            Ok(batch) => digests(&look(task, &batch.files, jobs, eyes), run, is_cured),
            Err(reason) => Work::only(Err(reason.into())),
        },
        Workload::Words => match words::Batch::parse(&task.body) {
            Ok(batch) => counted(&look(task, &batch.files, jobs, eyes), run, is_cured, random),
            Err(reason) => Work::only(Err(reason.into())),
        },
    };
    if work.is_long {
        jobs.long.entry(id.clone()).or_default();
    }
    if work.result.is_err() && !work.kills {
        *jobs.failures.entry(id.clone()).or_default() += 1;
    }
    work
}

/// Every seventh whip finds the horse unwilling at first.
fn steps(body: &[u8], run: u32) -> Work {
    let whip = match steps::Whip::parse(body) {
        Ok(whip) => whip,
        Err(reason) => return Work::only(Err(reason.into())),
    };
    if whip.intensity % 7 == 5 && run <= 2 {
        return Work::only(Err(failed("the horse is unwilling")));
    }
    Work::only(Ok(Payload::of(&steps::Answer { steps: whip.intensity })))
}

pub(super) fn failed(reason: &str) -> WorkError {
    WorkError::Failed(Failure { reason: reason.to_owned(), stderr: String::new() })
}

/// Whether the task of these files fails as a whole in this run.
fn fails(files: &[Read], run: u32, is_cured: bool) -> Option<WorkError> {
    let has = |fate| files.iter().any(|read| read.file.fate() == fate);
    if has(Fate::Refused) {
        return Some(WorkError::Rejected(Reason::Body { detail: "not a task for anyone".to_owned() }));
    }
    let is_poisoned = has(Fate::Poison) || (has(Fate::Flaky) && run <= 2) || (has(Fate::Curable) && !is_cured);
    is_poisoned.then(|| failed("the disk is on fire"))
}

/// The items without a result.
fn item_failures(files: &[Read]) -> Vec<ItemFailure> {
    let failed = (0u32..).zip(files).filter(|(_, read)| !read.has_result());
    let failure = |(item, read): (u32, &Read)| match &read.lost {
        Some(what) => ItemFailure { elsewhere: true, ..ItemFailure::new(item, what) },
        None => ItemFailure::new(item, "cannot be read"),
    };
    failed.map(failure).collect()
}

fn digests(files: &[Read], run: u32, is_cured: bool) -> Work {
    if let Some(error) = fails(files, run, is_cured) {
        return Work::only(Err(error)).of(files);
    }
    let digest = |read: &Read| match read.file.fate() {
        _ if !read.has_result() => None,
        Fate::Unstable => Some(digest_of(&format!("{} {run}", read.file.name))),
        _ => Some(digest_of(&read.file.content())),
    };
    let bytes = files.iter().filter(|read| read.has_result()).map(|read| read.file.size()).sum();
    let digests = files.iter().map(digest).collect();
    Work::only(Ok(Payload::of(&digest::Answer {
        digests,
        failed: item_failures(files),
        bytes,
        differing: Default::default(),
    })))
    .of(files)
}

fn hash(text: &str, seed: u64) -> u64 {
    text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// 40 hexadecimal digits that follow from a text.
pub(super) fn digest_of(text: &str) -> String {
    format!("{:016x}{:016x}{:08x}", hash(text, 1), hash(text, 2), hash(text, 3) >> 32)
}

/// The words of a file.
pub(super) fn words_of(file: &File) -> Vec<String> {
    let seed = hash(&file.name, 7);
    (0..seed % 5).map(|n| format!("word{}", (seed >> (8 * n)) % 6)).collect()
}

pub(super) fn counts_of(file: &File) -> Counts {
    Counts { lines: 1, words: words_of(file).len() as u64, characters: 0, bytes: file.size() }
}

/// How its words are cut into parts is another each time, as it is with a real table of words; what
/// was published of a file before it failed must not count.
fn counted(files: &[Read], run: u32, is_cured: bool, random: &mut SmallRng) -> Work {
    if let Some(error) = fails(files, run, is_cured) {
        return Work::only(Err(error)).of(files);
    }
    let mut check = Check::default();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut whole: BTreeMap<String, u64> = BTreeMap::new();
    for (item, read) in (0u32..).zip(files) {
        if !read.has_result() {
            pieces.push(piece(Some(item), &[("spoilt".to_owned(), 3)]));
            continue;
        }
        for word in words_of(&read.file) {
            check.add(word.as_bytes(), 1);
            if random.random_bool(0.3) {
                pieces.push(piece(Some(item), &[(word, 1)]));
            } else {
                *whole.entry(word).or_default() += 1;
            }
        }
    }
    let mut whole: Vec<_> = whole.into_iter().collect();
    whole.shuffle(random);
    while !whole.is_empty() {
        let cut = random.random_range(1..=whole.len());
        pieces.push(piece(None, &whole.drain(..cut).collect::<Vec<_>>()));
    }
    let counts = files.iter().map(|read| read.has_result().then(|| counts_of(&read.file))).collect();
    let result =
        Ok(Payload::of(&words::Answer { counts, failed: item_failures(files), check, differing: Default::default() }));
    Work { pieces, ..Work::only(result) }.of(files)
}

fn piece(item: Option<u32>, words: &[(String, u64)]) -> Piece {
    let (mut body, mut words) = (Vec::new(), words.to_vec());
    words.sort();
    words.iter().for_each(|(word, count)| part::write(*count, word.as_bytes(), &mut body));
    Piece { item, body: Payload::bytes(body) }
}
