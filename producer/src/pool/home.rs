//! The owner of a pool's job, in this process.

use std::task::{Context, Poll};

use async_trait::async_trait;
use shared::protocol::job::JobStatus;
use shared::protocol::message::{Place, Planned, Verdict};
use shared::protocol::payload::Payload;

/// What a pool asks of the owner of its job.
#[async_trait]
pub trait Home: Send + Sync {
    /// Adds a task to the plan; `false` if the owner has stopped.
    async fn plan(&self, place: Place, planned: Box<Planned>) -> bool;

    /// The plan is complete: it has so many tasks.
    async fn end_plan(&self, place: Place, tasks: u64);

    /// The results of these tasks were received, and are not asked for again.
    async fn taken(&self, numbers: Vec<u64>);

    /// Commits an update; returns its version, or why there is no room for it. If it `replaces` all
    /// before it, late workers do not get these.
    async fn update(&self, update: Payload, replaces: bool) -> Result<u64, String>;

    /// The job's status; `None` if the owner has stopped.
    async fn status(&self) -> Option<JobStatus>;

    /// Ends the job as it stands.
    async fn cancel(&self);

    /// Waits for the job's end, and ends the owner and what else runs for the pool; returns the
    /// last status, or why the owner has stopped before. If the job was cancelled, calls may still
    /// run in this process; it does not wait for them.
    async fn end(&self) -> Result<JobStatus, String>;
}

/// What the owner tells of the job.
pub trait Stream: Send {
    /// The next news; `None` if the owner has stopped.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<News>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A task has its one outcome, which is committed.
    Counted {
        number: u64,
        verdict: Verdict,
        /// Time that the work took, microseconds.
        micros: u64,
    },
    /// So many consumers have workers for the pool now, with so many slots.
    Served { consumers: u32, slots: u64 },
}
