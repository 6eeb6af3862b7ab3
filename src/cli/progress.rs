//! Progress on stderr: a bar in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use shared::job::{JobState, JobStatus};

use super::term;

/// Between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Shows how a job goes on.
#[derive(Clone)]
pub struct Progress {
    view: Arc<View>,
}

enum View {
    None,
    Bar(ProgressBar),
    Plain(Mutex<Plain>),
}

/// When to say the next line, and from where rates count: what an earlier run did took none of
/// this one's time.
struct Plain {
    started: Instant,
    next: Instant,
    done_before: Option<u64>,
}

impl Progress {
    /// `wanted` says whether the user wants any. A bar needs a terminal that the report does not
    /// use at the same time.
    pub fn new(wanted: bool, report_on_terminal: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let view = match (wanted, terminal, report_on_terminal) {
            (false, ..) | (true, true, true) => View::None,
            (true, true, false) => {
                let bar = ProgressBar::new(0);
                let style =
                    ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg} {bytes_per_sec} {eta} left");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                View::Bar(bar)
            }
            (true, false, _) => {
                let now = Instant::now();
                View::Plain(Mutex::new(Plain { started: now, next: now + PLAIN_INTERVAL, done_before: None }))
            }
        };
        Self { view: Arc::new(view) }
    }

    /// Takes the job's account.
    pub fn show(&self, status: &JobStatus) {
        match &*self.view {
            View::None => {}
            View::Bar(bar) => {
                let is_first = bar.length() == Some(0);
                bar.set_length(status.counts.bytes_planned);
                bar.set_position(status.counts.bytes_done);
                if is_first {
                    bar.reset_eta();
                }
                bar.set_message(files(status));
            }
            View::Plain(plain) => {
                let mut plain = plain.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let before = *plain.done_before.get_or_insert(status.counts.bytes_done);
                if now >= plain.next {
                    plain.next = now + PLAIN_INTERVAL;
                    term::complain(&line(status, before, now - plain.started));
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let View::Bar(bar) = &*self.view {
            bar.finish_and_clear();
        }
    }
}

fn files(status: &JobStatus) -> String {
    let counts = &status.counts;
    let more = if status.state == JobState::Planning { "+" } else { "" };
    format!("{}/{}{more} files", counts.items_done + counts.items_failed, counts.items_planned)
}

fn line(status: &JobStatus, done_before: u64, elapsed: Duration) -> String {
    let counts = &status.counts;
    let rate = counts.bytes_done.saturating_sub(done_before) as f64 / elapsed.as_secs_f64().max(0.001);
    let rest = counts.bytes_planned.saturating_sub(counts.bytes_done) as f64;
    let left = match status.state {
        JobState::Planning => "still planning".to_owned(),
        _ if rate > 0.0 => format!("{} left", HumanDuration(Duration::from_secs_f64(rest / rate))),
        _ => "waiting".to_owned(),
    };
    format!(
        "{} of {}, {}, {}/s, {left}",
        HumanBytes(counts.bytes_done),
        HumanBytes(counts.bytes_planned),
        files(status),
        HumanBytes(rate as u64)
    )
}
