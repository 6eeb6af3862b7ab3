//! Divides a task into tasks of one file each, and joins their answers.

use shared::protocol::limits::ITEM_STDERR_BYTES;
use shared::protocol::message::Failure;
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::{Files, ItemFailure};

use super::check_length;
use crate::work::{ItemResult, Split, WorkError};

/// An answer's results: one entry for each file, `None` if it failed, and the reasons of failures.
type Results<T> = (Vec<Option<T>>, Vec<ItemFailure>);

/// Divides a task into one task for each file, in order. `body` makes a task's body of its file.
pub(in crate::work) fn split(files: Files, body: impl Fn(Files) -> Payload) -> Result<Split, Reason> {
    check_length(&files)?;
    let Files { links, root, items, strict_times } = files;
    let one = |item| Files { links, root: root.clone(), items: vec![item], strict_times };
    let bodies = items.into_iter().map(|item| body(one(item))).collect();
    Ok(Split { root: Some(root), bodies })
}

/// Joins the results of all files, in order. `take` reads the answer to the task of one file; its
/// first argument is the file's index in the joined task.
pub(in crate::work) fn join<T>(
    results: Vec<ItemResult>,
    mut take: impl FnMut(u32, &[u8]) -> Result<Results<T>, Reason>,
) -> Result<Results<T>, WorkError> {
    let (mut joined, mut failed) = (Vec::with_capacity(results.len()), Vec::new());
    for (item, result) in (0u32..).zip(results) {
        match result {
            Ok(answer) => {
                let unreadable = |reason| WorkError::failed(format!("the answer to one item cannot be read: {reason}"));
                let (one, why) = take(item, &answer).map_err(unreadable)?;
                joined.extend(one);
                failed.extend(why.into_iter().map(|failure| ItemFailure { item, ..failure }));
            }
            Err(failure) => {
                joined.push(None);
                failed.push(ItemFailure::new(item, told(&failure)));
            }
        }
    }
    Ok((joined, failed))
}

/// The failure on one line: the reason, and the last [`ITEM_STDERR_BYTES`] of the process's stderr.
fn told(Failure { reason, stderr }: &Failure) -> String {
    let said: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = PathBytes(said.join("; ").into_bytes()).display();
    let over = said.len().saturating_sub(ITEM_STDERR_BYTES);
    let from = (over..).find(|&at| said.is_char_boundary(at)).unwrap_or(over);
    if said.is_empty() { reason.clone() } else { format!("{reason}; it said: {}", &said[from..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(stderr: &str) -> Failure {
        Failure { reason: "its process exited with code 101".to_owned(), stderr: stderr.to_owned() }
    }

    #[test]
    fn what_a_process_said_last_stays_on_one_line_and_is_bounded() {
        assert_eq!(told(&failure("")), "its process exited with code 101");
        let said = told(&failure("thread 'main' panicked at a.rs:1:\n  no \u{1b}[31mhorse\n\n"));
        assert_eq!(
            said,
            "its process exited with code 101; it said: thread 'main' panicked at a.rs:1:; no \\u{1b}[31mhorse"
        );
        let long = told(&failure(&"\u{e9}".repeat(5_000)));
        assert!(long.ends_with('\u{e9}') && long.len() < ITEM_STDERR_BYTES + 60, "{}", long.len());
    }

    #[test]
    fn results_keep_their_places() {
        let take = |_, answer: &[u8]| match answer {
            b"gone" => Ok((vec![None], vec![ItemFailure::new(0, "gone")])),
            b"?" => Err(Reason::Body { detail: "no answer".to_owned() }),
            other => Ok((vec![Some(other.to_vec())], Vec::new())),
        };
        let results =
            vec![Ok(Payload::bytes("a")), Err(failure("")), Ok(Payload::bytes("gone")), Ok(Payload::bytes("b"))];
        let (joined, failed) = join(results, take).expect("joined");
        assert_eq!(joined, [Some(b"a".to_vec()), None, None, Some(b"b".to_vec())]);
        assert_eq!(failed.iter().map(|failure| failure.item).collect::<Vec<_>>(), [1, 2]);
        assert!(join(vec![Ok(Payload::bytes("?"))], take).is_err());
    }
}
