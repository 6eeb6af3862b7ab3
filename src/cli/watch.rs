//! "N words so far", as often as asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reducer::fold::words_so_far;
use shared::protocol::job::{JobState, JobStatus};

use super::term;

/// Prints the number of words so far to stderr. The number never decreases: an owner counts each
/// task once.
#[derive(Debug, Clone)]
pub struct Watch {
    interval: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Watch {
    pub fn new(interval: Duration) -> Self {
        Self { interval, next: Arc::new(Mutex::new(Instant::now() + interval)) }
    }

    pub fn show(&self, status: &JobStatus) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now >= *next {
            *next = now + self.interval;
            term::say(&format!("{} words so far\n", words_so_far(&status.counts)));
        }
    }

    /// Prints the last line, which says whether all words were counted.
    pub fn finish(&self, status: &JobStatus) {
        let how = if status.state == JobState::Finished { "all counted" } else { "the job was cancelled" };
        term::say(&format!("{} words, {how}\n", words_so_far(&status.counts)));
    }
}
