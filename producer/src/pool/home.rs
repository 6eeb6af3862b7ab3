//! The owner of a pool's job, in this process.

use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use shared::protocol::job::JobStatus;
use shared::protocol::message::Verdict;
use shared::protocol::payload::Payload;

/// What a pool asks of the owner of its job, besides what every client asks.
#[async_trait]
pub trait Home: Send + Sync {
    /// The results of these tasks were received, and are not asked for again. In the background.
    fn taken(&self, numbers: Vec<u64>);

    /// Commits an update; returns its version, or why there is no room for it. If it `replaces` all
    /// before it, late workers do not get these.
    async fn update(&self, update: Payload, replaces: bool) -> Result<u64, String>;

    /// The job's status; `None` if the owner has stopped.
    async fn status(&self) -> Option<JobStatus>;
}

/// What the owner tells of the job.
pub trait Stream: Send {
    /// The next news; `None` if the owner has stopped.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<News>>;

    /// The next news, if it is there already.
    fn next_there(&mut self) -> Option<News> {
        // Whoever waits for news polls again.
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(news) => news,
            Poll::Pending => None,
        }
    }
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
    /// A part of a task is answered, which is committed: its first calls have results, the one that
    /// its slot is at has none yet, and those after it are left. Its outcome has this part as well.
    Early {
        number: u64,
        answer: Payload,
        /// Time that the work on the calls with results took, microseconds.
        micros: u64,
    },
    /// So many consumers have workers for the pool now, with so many slots.
    Served { consumers: u32, slots: u64 },
}
