//! Isolation: does a task that may have killed consumers item by item in a child process. A crash
//! of the child costs the result of one item; the consumer and the other items survive.
//!
//! # Layout
//! - `frame`: the messages between the two processes, over pipes
//! - `process`: the parent's side: starts the child, asks it, kills it, examines its death
//! - `child`: the child's side
//!
//! # Invariants
//! - The child has one item at a time, so the item that killed it is known. Each item is tried
//!   once: a task of n items costs at most n children.
//! - A death before the first item, or by a signal that asks to stop, is not caused by an item: the
//!   task as a whole fails, and its owner decides about another attempt.
//! - No child outlives its task or its parent, and none is left as a zombie.

mod child;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;

use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;

use crate::work::{self, Context, Piece, Split, WorkError};
use process::{Lost, Process};

pub use child::serve;

/// All that a child says that gives this answer to its only item.
#[cfg(test)]
pub(crate) fn told(answer: &Payload) -> Vec<u8> {
    let mut told = Vec::new();
    frame::write(&mut told, &frame::Tell::Ready, b"").expect("written");
    frame::write(&mut told, &frame::Tell::Done(answer.content_type.clone()), answer).expect("written");
    told
}

/// How a child is started: the command line of a program that calls [`serve`].
#[derive(Debug, Clone)]
pub struct Isolation {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

/// Does one task as [`crate::work::work`] does, but in a child, item by item.
///
/// The thread must live until this returns: on Linux the child dies with the thread that started
/// it.
pub fn work(
    isolation: &Isolation,
    workload: Workload,
    body: &Payload,
    context: Context<'_>,
) -> Result<Payload, WorkError> {
    let Context { site, planned_at, cancelled, publish, .. } = context;
    let work = work::of(workload);
    let Split { root, bodies } = work.split(body)?;
    // Open for the whole task: all its children read from this one directory.
    let root = root.map(|name| site.open(&name, cancelled).map(|open| (name, open))).transpose()?;
    let mut results = Vec::with_capacity(bodies.len());
    let mut idle = None;
    for (item, body) in (0u32..).zip(bodies) {
        let mut process = match idle.take() {
            Some(process) => process,
            None => Process::start(isolation, root.as_ref(), site, cancelled)?,
        };
        // A task of one item publishes parts of that item only. The owner counts them only if the
        // item has a result, so the parts of an item whose child died are dropped.
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
                    "An item has no result. Its isolated process has ended."
                );
                results.push(Err(failure));
            }
            Err(Lost::Task(error)) => return Err(error),
        }
    }
    root.map_or(Ok(()), |(_, root)| root.check())?;
    work.join(results)
}
