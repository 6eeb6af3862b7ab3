//! The work on one task: its answer, and the parts that come before it.

use std::collections::BTreeMap;

use consumer::work::{Piece, WorkError};
use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use shared::message::{Failure, Reason, Task};
use shared::workload::files::{Files, ItemFailure};
use shared::workload::words::{Check, Counts, part};
use shared::workload::{Workload, digest, steps, words};

use super::jobs::{Fate, File, Jobs};

/// What one run of a task comes to.
#[derive(Debug)]
pub(super) struct Work {
    /// Published first, one by one.
    pub pieces: Vec<Piece>,
    pub result: Result<Vec<u8>, WorkError>,
    /// Whether it outlasts the broker's patience.
    pub is_long: bool,
    /// Whether it kills the process, unless it is isolated.
    pub kills: bool,
    /// Whether one of its items fails alone.
    pub has_bad: bool,
}

impl Work {
    fn only(result: Result<Vec<u8>, WorkError>) -> Self {
        Self { pieces: Vec::new(), result, is_long: false, kills: false, has_bad: false }
    }

    fn of(self, files: &[File]) -> Self {
        let has = |fate| files.iter().any(|file| file.fate() == fate);
        Self { is_long: has(Fate::Long), kills: has(Fate::Killer), has_bad: has(Fate::Bad), ..self }
    }
}

/// Works on a task once more.
pub(super) fn work(task: &Task, jobs: &mut Jobs, random: &mut SmallRng) -> Work {
    let id = &task.address.task;
    let runs = jobs.runs.entry(id.clone()).or_default();
    *runs += 1;
    let run = *runs;
    let is_cured = jobs.cured.contains(&id.job);
    let work = match task.address.workload {
        Workload::Steps => steps(&task.body, run),
        Workload::Digest => match digest::Batch::parse(&task.body) {
            Ok(batch) => digests(&batch.files, run, is_cured),
            Err(reason) => Work::only(Err(reason.into())),
        },
        Workload::Words => match words::Batch::parse(&task.body) {
            Ok(batch) => counted(&batch.files, run, is_cured, random),
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
    Work::only(Ok(json(&steps::Answer { steps: steps_of(whip.intensity) })))
}

pub(super) fn steps_of(intensity: u64) -> u64 {
    intensity
}

pub(super) fn failed(reason: &str) -> WorkError {
    WorkError::Failed(Failure { reason: reason.to_owned(), stderr: String::new() })
}

/// Whether the task of these files fails as a whole in this run.
fn fails(files: &[File], run: u32, is_cured: bool) -> Option<WorkError> {
    let has = |fate| files.iter().any(|file| file.fate() == fate);
    if has(Fate::Refused) {
        return Some(WorkError::Rejected(Reason::Body { detail: "not a task for anyone".to_owned() }));
    }
    let is_poisoned = has(Fate::Poison) || (has(Fate::Flaky) && run <= 2) || (has(Fate::Curable) && !is_cured);
    is_poisoned.then(|| failed("the disk is on fire"))
}

fn files_of(files: &Files) -> Vec<File> {
    let name = |path: &shared::path::PathBytes| String::from_utf8_lossy(path.as_bytes()).into_owned();
    files.items.iter().map(|item| File { name: name(&item.path) }).collect()
}

/// The items without a result.
fn item_failures(files: &[File]) -> Vec<ItemFailure> {
    let bad = (0u32..).zip(files).filter(|(_, file)| file.fate().is_without_result());
    bad.map(|(item, _)| ItemFailure::new(item, "cannot be read")).collect()
}

fn digests(files: &Files, run: u32, is_cured: bool) -> Work {
    let files = files_of(files);
    if let Some(error) = fails(&files, run, is_cured) {
        return Work::only(Err(error)).of(&files);
    }
    let digest = |file: &File| match file.fate() {
        Fate::Bad | Fate::Killer => None,
        Fate::Unstable => Some(digest_of(&format!("{} {run}", file.name))),
        _ => Some(digest_of(&file.name)),
    };
    let bytes = files.iter().filter(|file| !file.fate().is_without_result()).map(File::size).sum();
    let digests = files.iter().map(digest).collect();
    Work::only(Ok(json(&digest::Answer { digests, failed: item_failures(&files), bytes, untimed: 0 }))).of(&files)
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
fn counted(files: &Files, run: u32, is_cured: bool, random: &mut SmallRng) -> Work {
    let files = files_of(files);
    if let Some(error) = fails(&files, run, is_cured) {
        return Work::only(Err(error)).of(&files);
    }
    let mut check = Check::default();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut whole: BTreeMap<String, u64> = BTreeMap::new();
    for (item, file) in (0u32..).zip(&files) {
        if file.fate().is_without_result() {
            pieces.push(piece(Some(item), &[("spoilt".to_owned(), 3)]));
            continue;
        }
        for word in words_of(file) {
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
    let counts = files.iter().map(|file| (!file.fate().is_without_result()).then(|| counts_of(file))).collect();
    let result = Ok(json(&words::Answer { counts, failed: item_failures(&files), check, untimed: 0 }));
    Work { pieces, ..Work::only(result) }.of(&files)
}

fn piece(item: Option<u32>, words: &[(String, u64)]) -> Piece {
    let (mut body, mut words) = (Vec::new(), words.to_vec());
    words.sort();
    words.iter().for_each(|(word, count)| part::write(*count, word.as_bytes(), &mut body));
    Piece { item, body }
}

fn json(answer: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("it is JSON")
}
