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
    Plain { started: Instant, next: Mutex<Instant> },
}

impl Progress {
    /// `wanted` says whether the user wants any. A bar needs a terminal that the report does not
    /// use at the same time.
    pub fn new(wanted: bool, report_on_stdout: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shared = report_on_stdout && std::io::stdout().is_terminal();
        let view = match (wanted, terminal, shared) {
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
                View::Plain { started: now, next: Mutex::new(now + PLAIN_INTERVAL) }
            }
        };
        Self { view: Arc::new(view) }
    }

    /// Takes the job's account.
    pub fn show(&self, status: &JobStatus) {
        match &*self.view {
            View::None => {}
            View::Bar(bar) => {
                bar.set_length(status.counts.bytes_planned);
                bar.set_position(status.counts.bytes_done);
                bar.set_message(files(status));
            }
            View::Plain { started, next } => {
                let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                if now >= *next {
                    *next = now + PLAIN_INTERVAL;
                    term::complain(&plain(status, now - *started));
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

fn plain(status: &JobStatus, elapsed: Duration) -> String {
    let counts = &status.counts;
    let rate = counts.bytes_done as f64 / elapsed.as_secs_f64().max(0.001);
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
