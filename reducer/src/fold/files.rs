//! What folds of workloads over files have in common.

use shared::path::PathBytes;
use shared::workload::files::{Files, ItemFailure, Selection};

use super::Record;

/// A record for each file of a task, in its order: from its result, or from the reason why there
/// is none. `Err` is the reason for all of them.
///
/// There is a reason for each missing result, in the order of the items: see
/// [`shared::workload::files::check_answer`].
pub(super) fn each<T>(
    selection: &Selection,
    files: Files,
    results: Result<(Vec<Option<T>>, Vec<ItemFailure>), &str>,
    done: impl Fn(PathBytes, u64, T) -> Record,
) -> Vec<Record> {
    let name = |path: &PathBytes| selection.name(&files.root, path);
    let (results, failed) = match results {
        Ok(results) => results,
        Err(reason) => {
            let failed = |path| Record::Failed { name: name(path), reason: reason.to_owned() };
            return files.items.iter().map(|item| failed(&item.path)).collect();
        }
    };
    let mut reasons = failed.into_iter().map(|failure| failure.reason);
    let record = |(item, result): (_, Option<T>)| {
        let item: &shared::workload::files::Item = item;
        match result {
            Some(result) => done(name(&item.path), item.size, result),
            None => Record::Failed { name: name(&item.path), reason: reasons.next().unwrap_or_default() },
        }
    };
    files.items.iter().zip(results).map(record).collect()
}
