//! Isolation: a task that may have killed consumers, done item by item in a process of its own. What
//! kills that process kills one item's result, and neither the consumer nor the item's neighbours.
//!
//! # Layout
//! - `frame`: what the two processes say to each other, over pipes
//! - `process`: the child as its parent sees it: started, asked, cancelled, found dead
//! - `child`: the child itself
//!
//! # Invariants
//! - The child has one item at a time, so it is known which one killed it. Each item is asked for
//!   once: a task of n items costs n children at most.
//! - A death before the first item, or by a signal that asks to stop, is no item's fault: the task
//!   as a whole has failed, and its owner decides about another attempt.
//! - No child outlives its task, nor its parent, and none is left as a zombie.

mod child;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;

use shared::protocol::workload::Workload;

use crate::work::{Context, Piece, Split, WorkError, join, split};
use process::{Lost, Process};

pub use child::serve;

/// How a child is started: the command line of a program that calls [`serve`].
#[derive(Debug, Clone)]
pub struct Isolation {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Does one task as [`crate::work::work`] does, but in a child, item by item.
///
/// The thread must live until this returns: on Linux the child dies with the thread that started it.
pub fn work(
    isolation: &Isolation,
    workload: Workload,
    body: &[u8],
    context: Context<'_>,
) -> Result<Vec<u8>, WorkError> {
    let Context { site, planned_at, cancelled, publish } = context;
    let Split { root, bodies } = split(workload, body)?;
    // Held for the whole task: all its children read from the directory that is open here.
    let root = root.map(|name| site.open(&name, cancelled).map(|open| (name, open))).transpose()?;
    let mut results = Vec::with_capacity(bodies.len());
    let mut idle = None;
    for (item, body) in (0u32..).zip(bodies) {
        let mut process = match idle.take() {
            Some(process) => process,
            None => Process::start(isolation, root.as_ref(), site, cancelled)?,
        };
        // Whatever a task of one item publishes is about that item. It counts only if the item has
        // a result, so nothing counts of an item whose child died after a part of its answer.
        let mut publish = |body| publish(Piece { item: Some(item), body });
        match process.work((workload, planned_at), &body, &mut publish) {
            Ok(answer) => {
                results.push(Ok(answer));
                idle = Some(process);
            }
            Err(Lost::Item(failure)) => {
                tracing::warn!(
                    item,
                    reason = failure.reason,
                    stderr = failure.stderr,
                    "An item has no result, and its process is gone."
                );
                results.push(Err(failure));
            }
            Err(Lost::Task(error)) => return Err(error),
        }
    }
    root.map_or(Ok(()), |(_, root)| root.check())?;
    join(workload, results)
}
