//! Words: one record a file, and one for their total.

use shared::job;
use shared::message::Reason;
use shared::path::PathBytes;
use shared::workload::words::{Answer, Batch, Check, Counts, Spec, part};

use super::files::each;
use super::{Record, Settled, Tally};

/// The names of a job's totals.
const LINES: &str = "lines";
const WORDS: &str = "words";
const CHARACTERS: &str = "characters";

pub(super) fn tally(items: u32, answer: &[u8], has_parts: bool) -> Result<Tally, Reason> {
    let answer = Answer::parse(answer, items)?;
    if !has_parts && answer.check != Check::default() {
        return Err(Reason::Body { detail: "its check is over words, and no part has come with them".to_owned() });
    }
    let (failed, total) = (answer.failed.len() as u64, answer.total());
    Ok(Tally {
        items_done: u64::from(items) - failed,
        items_failed: failed,
        bytes: total.bytes,
        amount: 0,
        totals: vec![(LINES, total.lines), (WORDS, total.words), (CHARACTERS, total.characters)],
    })
}

/// Each word once: so many parts would be needed for a sum that is too large that nobody sends them.
pub(super) fn check_part(body: &[u8]) -> Result<(), Reason> {
    let mut before: Option<&[u8]> = None;
    part::lines(body).try_for_each(|line| {
        let (_, word) = line?;
        if before.replace(word).is_some_and(|before| before >= word) {
            return Err(Reason::Body { detail: "the words of a part are not in byte order, each once".to_owned() });
        }
        Ok(())
    })
}

/// The counts, which files have none, and the check over the words; the wording of a failure may
/// differ between machines.
pub(super) fn is_same(items: u32, first: &[u8], second: &[u8]) -> bool {
    match (Answer::parse(first, items), Answer::parse(second, items)) {
        (Ok(first), Ok(second)) => first.counts == second.counts && first.check == second.check,
        _ => first == second,
    }
}

pub(super) fn records(spec: &Spec, account: &job::Counts, task: &Settled) -> Result<Vec<Record>, Reason> {
    let (Some(body), Some(answer)) = (&task.body, &task.answer) else { return Ok(Vec::new()) };
    let files = Batch::parse(body).map(|batch| batch.files);
    let parse = |answer: &[u8], items| Answer::parse(answer, items).map(|answer| (answer.counts, answer.failed));
    each(&spec.files, task.number, files, answer, parse, |name, _, counts| record(spec, account, Some(name), counts))
}

/// The total of several files.
pub(super) fn closing(spec: &Spec, account: &job::Counts) -> Vec<Record> {
    if account.items_planned < 2 {
        return Vec::new();
    }
    let total = |name| account.totals.get(name).copied().unwrap_or(0);
    let (lines, words, characters) = (total(LINES), total(WORDS), total(CHARACTERS));
    vec![record(spec, account, None, Counts { lines, words, characters, bytes: account.bytes_done })]
}

/// Numbers are as wide as the largest that there can be: the bytes of all files, as GNU `wc` has it.
fn record(spec: &Spec, account: &job::Counts, name: Option<PathBytes>, counts: Counts) -> Record {
    let width = account.bytes_planned.to_string().len();
    Record::Counted { name, counts, characters: spec.manner.characters, width }
}

/// How many words were counted so far.
pub(super) fn so_far(account: &job::Counts) -> u64 {
    account.totals.get(WORDS).copied().unwrap_or(0)
}
