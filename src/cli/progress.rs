//! Progress on stderr: a bar in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use shared::protocol::job::{JobState, JobStatus};

use super::term;

/// Interval between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Progress {
    view: Arc<View>,
}

enum View {
    None,
    Bar(Bar),
    Plain(Mutex<Plain>),
}

struct Bar {
    bar: ProgressBar,
    /// Whether the plan is not complete, so that the total is not known yet.
    is_planning: Arc<AtomicBool>,
}

/// When the next line is due, and where the rate starts: bytes that an earlier run has done took no
/// time of this run.
struct Plain {
    started: Instant,
    next: Instant,
    done_before: Option<u64>,
}

impl Progress {
    /// `wanted` says whether the user wants progress. A bar needs a terminal that the report does
    /// not use at the same time.
    pub fn new(wanted: bool, report_on_terminal: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let view = match (wanted, terminal, report_on_terminal) {
            (false, ..) | (true, true, true) => View::None,
            (true, true, false) => View::Bar(Bar::new()),
            (true, false, _) => {
                let now = Instant::now();
                View::Plain(Mutex::new(Plain { started: now, next: now + PLAIN_INTERVAL, done_before: None }))
            }
        };
        Self { view: Arc::new(view) }
    }

    pub fn show(&self, status: &JobStatus) {
        match &*self.view {
            View::None => {}
            View::Bar(bar) => bar.show(status),
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

    pub fn clear(&self) {
        if let View::Bar(Bar { bar, .. }) = &*self.view {
            bar.finish_and_clear();
        }
    }
}

impl Bar {
    fn new() -> Self {
        let (bar, is_planning) = (ProgressBar::new(0), Arc::new(AtomicBool::new(true)));
        let plans = Arc::clone(&is_planning);
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg} {bytes_per_sec} {left}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("left", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let text = time_left(plans.load(Ordering::Relaxed), state.per_sec(), state.eta());
            // A failure is harmless: the bar is drawn again soon.
            let _ = out.write_str(&text);
        }));
        Self { bar, is_planning }
    }

    fn show(&self, status: &JobStatus) {
        let Self { bar, is_planning } = self;
        let is_first = bar.length() == Some(0);
        is_planning.store(status.state == JobState::Planning, Ordering::Relaxed);
        bar.set_length(status.counts.bytes_planned);
        bar.set_position(status.counts.bytes_done);
        if is_first {
            bar.reset_eta();
        }
        bar.set_message(files(status));
    }
}

/// The time left, as text. It is not known while the plan grows, or without a rate, whatever
/// `estimate` says then.
fn time_left(is_planning: bool, rate: f64, estimate: Duration) -> String {
    match is_planning {
        true => "still planning".to_owned(),
        false if rate > 0.0 => format!("{:#} left", HumanDuration(estimate)),
        false => "--:-- left".to_owned(),
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
    let estimate = Duration::try_from_secs_f64(rest / rate).unwrap_or_default();
    let left = time_left(status.state == JobState::Planning, rate, estimate);
    format!(
        "{} of {}, {}, {}/s, {left}",
        HumanBytes(counts.bytes_done),
        HumanBytes(counts.bytes_planned),
        files(status),
        HumanBytes(rate as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_told_before_it_can_be_known() {
        let told = |is_planning, rate, seconds| time_left(is_planning, rate, Duration::from_secs(seconds));
        // Without a rate, the estimate is 0 s.
        assert_eq!(told(false, 0.0, 0), "--:-- left");
        assert_eq!(told(false, f64::NAN, 0), "--:-- left");
        assert_eq!(told(true, 1e6, 0), "still planning");
        assert_eq!(told(false, 1e6, 75), "75s left");
        assert_eq!(told(false, 1e6, 0), "0s left");
    }
}
