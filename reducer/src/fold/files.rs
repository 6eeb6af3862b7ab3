//! What folds of workloads over files have in common.

use bytes::Bytes;
use shared::protocol::path::PathBytes;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::{Files, Item, ItemFailure, Selection, printed};

use super::Record;

/// What an answer says of the files of its task: for each its result, and the reason of each that is
/// missing, in the order of the items (see [`shared::protocol::workload::files::check_answer`]).
pub(super) type Results<T> = (Vec<Option<T>>, Vec<ItemFailure>);

/// Whether two answers to one task say the same of each file that both have a result for.
pub(super) fn agree<T: PartialEq>(first: &[Option<T>], second: &[Option<T>]) -> bool {
    first.iter().zip(second).all(|(first, second)| first.is_none() || second.is_none() || first == second)
}

/// How many files a task has.
pub(super) fn items(files: &Files) -> u32 {
    u32::try_from(files.items.len()).unwrap_or(u32::MAX)
}

/// The names of a task's first and last file: tasks hold files in the byte order of these, but where one path is spelt
/// through `..` of another.
pub(super) fn range(selection: &Selection, files: &Files) -> Option<(Vec<u8>, Vec<u8>)> {
    let (first, last) = files.items.first().zip(files.items.last())?;
    let prefix = selection.prefix(&files.root);
    Some(([prefix, first.path.as_bytes()].concat(), [prefix, last.path.as_bytes()].concat()))
}

/// A record for each file of a task, in its order: from its result, or from the reason why there
/// is none. An answer that is `Err` is the reason for all of them; where nobody can read which files those
/// are, it is the task's.
pub(super) fn each<T>(
    selection: &Selection,
    number: u64,
    files: Result<Files, Reason>,
    answer: &Result<Bytes, String>,
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
    // Once a task: a job may have as many roots as files.
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
