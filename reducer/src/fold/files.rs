//! Shared by the folds of workloads over files.

use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::{Files, Item, ItemFailure, Selection, printed};

use super::Record;

/// The tasks of workloads over files, and what has no result. Contents that are not JSON are NULL.
pub(super) const VIEWS: &str = r#"
CREATE VIEW file_tasks AS
SELECT jobs.job, jobs.workload, tasks.number, iif(json_valid(tasks.body), tasks.body, NULL) AS body,
       outcomes.status, iif(json_valid(outcomes.answer), outcomes.answer, NULL) AS answer, outcomes.host
FROM tasks JOIN jobs ON jobs.id = tasks.job_id LEFT JOIN outcomes USING (job_id, number)
WHERE jobs.workload IN ('digest', 'words') AND jobs.job IS NOT NULL;

-- Items and tasks without a result, and the reason.
CREATE VIEW failures AS
SELECT job, task, path, path_base64, reason FROM task_failures
UNION ALL
SELECT job, number, CASE json_type(file.value, '$[0]') WHEN 'text' THEN file.value ->> 0 END,
       file.value ->> '$[0].path_base64', item.value ->> '$.reason'
FROM file_tasks
JOIN json_each(file_tasks.answer, '$.failed') AS item
JOIN json_each(file_tasks.body, '$.files.items') AS file ON file.key = item.value ->> '$.item'
WHERE file_tasks.status = 'done';
"#;

/// An answer about the files of a task: a result or none for each file, and the reason for each
/// missing result, in the order of the items (see
/// [`shared::protocol::workload::files::check_answer`]).
pub(super) type Results<T> = (Vec<Option<T>>, Vec<ItemFailure>);

/// Whether two answers agree on every file for which both have a result.
pub(super) fn agree<T: PartialEq>(first: &[Option<T>], second: &[Option<T>]) -> bool {
    first.iter().zip(second).all(|(first, second)| first.is_none() || second.is_none() || first == second)
}

pub(super) fn items(files: &Files) -> u32 {
    u32::try_from(files.items.len()).unwrap_or(u32::MAX)
}

/// The names of a task's first and last file. Tasks hold files in the byte order of these names,
/// except where one path is written through `..` of another, such as `a/../b` beside `a`.
pub(super) fn range(selection: &Selection, files: &Files) -> Option<(Vec<u8>, Vec<u8>)> {
    let (first, last) = files.items.first().zip(files.items.last())?;
    let prefix = selection.prefix(&files.root);
    Some(([prefix, first.path.as_bytes()].concat(), [prefix, last.path.as_bytes()].concat()))
}

/// A record for each file of a task, in its order: from its result, or from the reason why it has
/// none. An `Err` answer is the reason for all files. If the task's files cannot be read either,
/// the task gets one record with that reason.
pub(super) fn each<T>(
    selection: &Selection,
    number: u64,
    files: Result<Files, Reason>,
    answer: &Result<Payload, String>,
    parse: impl Fn(&[u8], u32) -> Result<Results<T>, Reason>,
    done: impl Fn(PathBytes, u64, T) -> Record,
) -> Result<Vec<Record>, Reason> {
    let files = match (files, answer) {
        (Ok(files), _) => files,
        (Err(_), Err(reason)) => {
            let name = PathBytes(format!("task {number}").into_bytes());
            return Ok(vec![Record::Failed { name, reason: reason.clone() }]);
        }
        (Err(unreadable), Ok(_)) => return Err(unreadable),
    };
    // Look the prefix up once a task: a job may have as many roots as files.
    let prefix = selection.prefix(&files.root);
    let name = |item: &Item| printed([prefix, item.path.as_bytes()].concat());
    let (results, failed) = match answer {
        Ok(answer) => parse(answer, u32::try_from(files.items.len()).unwrap_or(u32::MAX))?,
        Err(reason) => {
            let failed = |item| Record::Failed { name: name(item), reason: reason.clone() };
            return Ok(files.items.iter().map(failed).collect());
        }
    };
    let mut reasons = failed.into_iter().map(|failure| failure.reason);
    let record = |(item, result): (&Item, Option<T>)| match result {
        Some(result) => done(name(item), item.size, result),
        None => Record::Failed { name: name(item), reason: reasons.next().unwrap_or_default() },
    };
    Ok(files.items.iter().zip(results).map(record).collect())
}
