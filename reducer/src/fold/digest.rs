//! The digest workload: one record for each file.

use shared::protocol::job::Counts;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::digest::{Answer, Batch, Spec};

use super::files::{Results, agree, each, items, range};
use super::kept::{Before, Earlier, Kept, differing, filled, holes, open_files, tally_items, unchanged};
use super::{Fold, Itemwise, Record, Settled, Tally, kept};

/// One row per file.
pub(super) const VIEW: &str = r#"
-- One row per file of digest jobs. path is NULL and path_base64 set where a name is not UTF-8.
CREATE VIEW files AS
SELECT job, number AS task, item.key AS item, file_tasks.body ->> '$.files.root' AS root,
       CASE json_type(item.value, '$[0]') WHEN 'text' THEN item.value ->> 0 END AS path,
       item.value ->> '$[0].path_base64' AS path_base64, item.value ->> 1 AS size,
       json_extract(file_tasks.answer, '$.digests[' || item.key || ']') AS digest,
       file_tasks.status AS task_status, host
FROM file_tasks JOIN json_each(file_tasks.body, '$.files.items') AS item
WHERE workload = 'digest';
"#;

impl Fold for Spec {
    fn tally(&self, items: u32, answer: &Payload, has_parts: bool) -> Result<Tally, Reason> {
        let answer = Answer::parse(answer, items)?;
        Ok(Tally { bytes: answer.bytes, ..tally_items(items, &answer.failed, &answer.differing, has_parts) })
    }

    /// Compares the digests that both answers have. A file that one machine cannot read may be
    /// readable on another.
    fn is_same(&self, items: u32, first: &Payload, second: &Payload) -> bool {
        match (Answer::parse(first, items), Answer::parse(second, items)) {
            (Ok(first), Ok(second)) => agree(&first.digests, &second.digests),
            _ => first == second,
        }
    }

    fn records(&self, _: &Counts, task: &Settled) -> Result<Vec<Record>, Reason> {
        let (Some(body), Some(answer)) = (&task.body, &task.answer) else { return Ok(Vec::new()) };
        let files = Batch::parse(body).map(|batch| batch.files);
        let parse = |answer: &[u8], items| Answer::parse(answer, items).map(|answer| (answer.digests, answer.failed));
        each(&self.files, task.number, files, answer, parse, |name, size, digest| Record::File { name, digest, size })
    }

    fn itemwise(&self) -> Option<&dyn Itemwise> {
        Some(self)
    }
}

impl Itemwise for Spec {
    fn range(&self, body: &Payload) -> Option<(Vec<u8>, Vec<u8>)> {
        range(&self.files, &Batch::parse(body).ok()?.files)
    }

    /// The digests of unchanged files.
    fn keep(&self, body: &Payload, before: &[Before]) -> Option<Kept> {
        let files = Batch::parse(body).ok()?.files;
        let earlier = before.iter().filter_map(|before| {
            let known = Batch::parse(&before.body).ok()?.files;
            let answer = Answer::parse(&before.answer, items(&known)).ok()?;
            Some(Earlier { files: known, results: answer.digests, differing: answer.differing })
        });
        let ((digests, failed), differing) = unchanged(&files, &earlier.collect::<Vec<_>>())?;
        let kept = digests.iter().flatten().count() as u32;
        let bytes = kept::bytes(&files, &digests);
        let answer = Payload::of(&Answer { digests, failed, bytes, differing });
        Some(Kept::new(answer, kept, before))
    }

    fn open_items(&self, items: u32, answer: &Payload) -> Result<Vec<u32>, Reason> {
        Ok(holes(&Answer::parse(answer, items)?.failed))
    }

    fn rest(&self, body: &Payload, items: &[u32]) -> Result<Payload, Reason> {
        let Batch { algorithm, files } = Batch::parse(body)?;
        Ok(Payload::of(&Batch { algorithm, files: open_files(files, items) }))
    }

    fn merge(&self, items: u32, first: &Payload, rest: &Payload) -> Result<Payload, Reason> {
        let first = Answer::parse(first, items)?;
        let holes = holes(&first.failed);
        let rest = Answer::parse(rest, holes.len() as u32)?;
        let bytes = first.bytes.saturating_add(rest.bytes);
        let differing = differing(&first.differing, &rest.differing, &holes);
        let results = |answer: Answer| -> Results<String> { (answer.digests, answer.failed) };
        let (digests, failed) = filled(results(first), results(rest))?;
        Ok(Payload::of(&Answer { digests, failed, bytes, differing }))
    }
}
