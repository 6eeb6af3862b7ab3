//! Executors do the tasks of a lane in its slots.
//!
//! # Layout
//! - [`Executor`]: what a lane asks of one; `tests` has the suite that all of them pass
//! - `threads`: in this process
//! - `process`: item by item in child processes
//! - `slots`: what both are: named threads, one for each slot, and how they do a task

mod process;
mod slots;
#[cfg(test)]
mod tests;
mod threads;

use std::fmt::Debug;
use std::sync::Arc;

use shared::protocol::message::Task;

pub(crate) use process::processes;
pub(crate) use slots::{Doer, Maker};
pub(crate) use threads::{own_doers, threads};

use crate::engine::{Done, Tag};
use crate::publish::parts::PartPublisher;
use crate::work::{Early, WorkError};

/// Does tasks, each in a slot of its own.
pub(crate) trait Executor: Debug + Send {
    /// How many tasks it does at a time.
    fn slots(&self) -> u32;

    /// Starts a task in a free slot, or as soon as one is free, once [`Executor::go`] is called. Its
    /// end is reported to the executor's sink.
    fn start(&mut self, assigned: Assigned);

    /// Begins what was started since the last call: several tasks wake the slots once.
    fn go(&mut self);

    /// Tells the work on a task to stop. Its end is reported all the same. A task that does not run
    /// here is ignored.
    fn cancel(&mut self, tag: Tag);

    /// There is news for the slots, such as an update of their workers: those that idle take it
    /// now, the others before their next task.
    fn nudge(&mut self) {}

    /// Waits for the tasks that were started, and ends all threads and processes. An executor that
    /// is dropped instead ends them later, when their work returns.
    fn close(self: Box<Self>);
}

/// A task for an executor.
pub(crate) struct Assigned {
    pub tag: Tag,
    pub task: Box<Task>,
    /// Publishes the parts of the task's answer.
    pub parts: PartPublisher,
}

/// The end of the work on a task.
#[derive(Debug)]
pub(crate) struct Ended {
    pub tag: Tag,
    pub result: Result<Done, WorkError>,
    /// Time that the work took, microseconds.
    pub micros: u64,
}

/// What executors report of the work on tasks.
#[derive(Debug)]
pub(crate) enum Report {
    /// A part of a task is answered, before the work on it ends.
    Early {
        tag: Tag,
        early: Early,
    },
    Ended(Ended),
}

/// Takes the reports. It must not block.
pub(crate) type Sink = Arc<dyn Fn(Report) + Send + Sync>;
