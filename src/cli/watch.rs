//! "N words so far", as often as asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reducer::fold::words_so_far;
use shared::protocol::job::{JobState, JobStatus};

use super::term;

/// Says on stderr how many words there are so far. A number never decreases: an owner counts a task
/// once and for all.
#[derive(Debug, Clone)]
pub struct Watch {
    interval: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Watch {
    /// One that speaks every `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval, next: Arc::new(Mutex::new(Instant::now() + interval)) }
    }

    /// Takes the job's account.
    pub fn show(&self, status: &JobStatus) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now >= *next {
            *next = now + self.interval;
            term::say(&format!("{} words so far\n", words_so_far(&status.counts)));
        }
    }

    /// The job is over: the last line, which says whether it is done.
    pub fn finish(&self, status: &JobStatus) {
        let how = if status.state == JobState::Finished { "all counted" } else { "the job was cancelled" };
        term::say(&format!("{} words, {how}\n", words_so_far(&status.counts)));
    }
}
