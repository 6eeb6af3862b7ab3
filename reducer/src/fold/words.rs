//! The words workload: one record for each file, and one for their total.

use shared::protocol::job;
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::Files;
use shared::protocol::workload::words::{Answer, Batch, Check, Counts, Spec, part};

use super::files::{Results, agree, each, items, range};
use super::kept::{Before, Earlier, Kept, differing, filled, hole, holes, numbers, open_files, tally_items, unchanged};
use super::{Fold, Itemwise, Record, Settled, Tally};

/// The keys of a job's totals.
const LINES: &str = "lines";
const WORDS: &str = "words";
const CHARACTERS: &str = "characters";

/// One row per file.
pub(super) const VIEW: &str = r#"
-- One row per file of words jobs.
CREATE VIEW word_counts AS
SELECT job, number AS task, item.key AS item, file_tasks.body ->> '$.files.root' AS root,
       CASE json_type(item.value, '$[0]') WHEN 'text' THEN item.value ->> 0 END AS path,
       item.value ->> '$[0].path_base64' AS path_base64,
       count.value ->> '$.lines' AS lines, count.value ->> '$.words' AS words,
       count.value ->> '$.characters' AS characters, count.value ->> '$.bytes' AS bytes,
       file_tasks.status AS task_status, host
FROM file_tasks JOIN json_each(file_tasks.body, '$.files.items') AS item
LEFT JOIN json_each(file_tasks.answer, '$.counts') AS count ON count.key = item.key
WHERE workload = 'words';
"#;

impl Fold for Spec {
    fn tally(&self, items: u32, answer: &Payload, has_parts: bool) -> Result<Tally, Reason> {
        let answer = Answer::parse(answer, items)?;
        if !has_parts && answer.check != Check::default() {
            return Err(Reason::Body { detail: "its check covers words, but it came without parts".to_owned() });
        }
        let total = answer.total();
        Ok(Tally {
            bytes: total.bytes,
            totals: vec![(LINES, total.lines), (WORDS, total.words), (CHARACTERS, total.characters)],
            ..tally_items(items, &answer.failed, &answer.differing, has_parts)
        })
    }

    /// Checks that each word occurs once, in byte order. A word's sum cannot overflow in practice:
    /// that would take more parts than a consumer can send.
    fn check_part(&self, part: &Payload) -> Result<(), Reason> {
        let mut before: Option<&[u8]> = None;
        part::lines(part).try_for_each(|line| {
            let (_, word) = line?;
            if before.replace(word).is_some_and(|before| before >= word) {
                return Err(Reason::Body { detail: "the words of a part are not in byte order, each once".to_owned() });
            }
            Ok(())
        })
    }

    /// Compares the counts that both answers have, and the check over the words if both are about
    /// the same files. A file that one machine cannot read may be readable on another.
    fn is_same(&self, items: u32, first: &Payload, second: &Payload) -> bool {
        match (Answer::parse(first, items), Answer::parse(second, items)) {
            (Ok(first), Ok(second)) => {
                let is_of_same = first.counts.iter().map(Option::is_some).eq(second.counts.iter().map(Option::is_some));
                agree(&first.counts, &second.counts) && (!is_of_same || first.check == second.check)
            }
            _ => first == second,
        }
    }

    fn records(&self, account: &job::Counts, task: &Settled) -> Result<Vec<Record>, Reason> {
        let (Some(body), Some(answer)) = (&task.body, &task.answer) else { return Ok(Vec::new()) };
        let files = Batch::parse(body).map(|batch| batch.files);
        let parse = |answer: &[u8], items| Answer::parse(answer, items).map(|answer| (answer.counts, answer.failed));
        let record = |name, _, counts| record(self, account, Some(name), counts);
        each(&self.files, task.number, files, answer, parse, record)
    }

    fn needs_whole_plan(&self) -> bool {
        true
    }

    /// The record of the total, if there are several files.
    fn closing(&self, account: &job::Counts) -> Vec<Record> {
        if account.items_planned < 2 {
            return Vec::new();
        }
        let total = |name| account.totals.get(name).copied().unwrap_or(0);
        let (lines, words, characters) = (total(LINES), total(WORDS), total(CHARACTERS));
        vec![record(self, account, None, Counts { lines, words, characters, bytes: account.bytes_done })]
    }

    fn itemwise(&self) -> Option<&dyn Itemwise> {
        Some(self)
    }
}

impl Itemwise for Spec {
    fn range(&self, body: &Payload) -> Option<(Vec<u8>, Vec<u8>)> {
        range(&self.files, &Batch::parse(body).ok()?.files)
    }

    /// The counts of unchanged files. Word frequencies are known only for all files of a task
    /// together, so they are kept only if all of these are unchanged.
    fn keep(&self, body: &Payload, before: &[Before]) -> Option<Kept> {
        let batch = Batch::parse(body).ok()?;
        let known = before.iter().map(|before| {
            let known = Batch::parse(&before.body).ok()?.files;
            let answer = Answer::parse(&before.answer, items(&known)).ok()?;
            Some((known, answer))
        });
        if batch.manner.frequencies {
            return keep_whole(&batch, known, before);
        }
        let earlier =
            |(files, answer): (_, Answer)| Earlier { files, results: answer.counts, differing: answer.differing };
        let known: Vec<_> = known.flatten().map(earlier).collect();
        let ((counts, failed), differing) = unchanged(&batch.files, &known)?;
        let kept = counts.iter().flatten().count() as u32;
        let answer = Payload::of(&Answer { counts, failed, check: Check::default(), differing });
        Some(Kept::new(answer, kept, before))
    }

    fn open_items(&self, items: u32, answer: &Payload) -> Result<Vec<u32>, Reason> {
        Ok(holes(&Answer::parse(answer, items)?.failed))
    }

    fn rest(&self, body: &Payload, items: &[u32]) -> Result<Payload, Reason> {
        let Batch { manner, files } = Batch::parse(body)?;
        Ok(Payload::of(&Batch { manner, files: open_files(files, items) }))
    }

    fn merge(&self, items: u32, first: &Payload, rest: &Payload) -> Result<Payload, Reason> {
        let first = Answer::parse(first, items)?;
        let holes = holes(&first.failed);
        let rest = Answer::parse(rest, holes.len() as u32)?;
        let mut check = first.check;
        check += rest.check;
        let differing = differing(&first.differing, &rest.differing, &holes);
        let results = |answer: Answer| -> Results<Counts> { (answer.counts, answer.failed) };
        let (counts, failed) = filled(results(first), results(rest))?;
        Ok(Payload::of(&Answer { counts, failed, check, differing }))
    }
}

/// The whole answer of an earlier task with the same files, if none of them has changed. Its parts
/// do not say which file a word is from, so all files must match.
fn keep_whole(batch: &Batch, known: impl Iterator<Item = Option<(Files, Answer)>>, before: &[Before]) -> Option<Kept> {
    let is_same = |files: &Files| *files == batch.files && files.items.iter().all(|item| item.times.is_some());
    let holds = |(files, answer): &(Files, Answer)| is_same(files) && answer.differing.changed.is_empty();
    let (at, (_, mut answer)) = known.enumerate().find_map(|(at, known)| Some((at, known.filter(holds)?)))?;
    answer.failed.iter_mut().for_each(|failure| *failure = hole(failure.item));
    let kept = answer.counts.iter().flatten().count() as u32;
    (kept > 0).then(|| Kept::new(Payload::of(&answer), kept, before).with_parts_of(before, at, numbers(&answer.failed)))
}

/// Numbers are padded to the width of the total size in bytes, the largest possible number, as GNU
/// `wc` does.
fn record(spec: &Spec, account: &job::Counts, name: Option<PathBytes>, counts: Counts) -> Record {
    let width = account.bytes_planned.to_string().len();
    Record::Counted { name, counts, characters: spec.manner.characters, width }
}

/// How many words a job has counted so far.
pub fn so_far(account: &job::Counts) -> u64 {
    account.totals.get(WORDS).copied().unwrap_or(0)
}
