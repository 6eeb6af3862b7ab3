//! The receipt: the exact account at the end of a job.

use std::fmt::Write as _;

use shared::protocol::job::{JobState, JobStatus};
use shared::protocol::notice::waits;
use shared::protocol::path::printable;

/// The receipt for people, on several lines. `recompute` tells how to compute the report's digest
/// again.
pub fn receipt_text(status: &JobStatus, recompute: &str) -> String {
    let counts = &status.counts;
    let mut text = format!("job {} {} after {:.2} s\n", status.job, status.state.as_str(), status.seconds);
    let cancelled = |count: u64| match status.state {
        JobState::Cancelled => format!(", {count} cancelled"),
        _ => String::new(),
    };
    let _ = writeln!(
        text,
        "  tasks   {} planned, {} done, {} failed{}; {} redelivered, {} sent again, {} duplicates dropped",
        counts.tasks_planned,
        counts.tasks_done,
        counts.tasks_failed,
        cancelled(counts.tasks_cancelled),
        counts.redeliveries,
        counts.resends,
        counts.duplicates
    );
    let skipped = counts.items_skipped.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let kinds = counts.items_skipped.iter().map(|(kind, count)| format!("{} {count}", printable(kind)));
    let kinds: Vec<String> = kinds.collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let _ = writeln!(
        text,
        "  items   {} planned, {} done, {} failed{}; {skipped} skipped{kinds}",
        counts.items_planned,
        counts.items_done,
        counts.items_failed,
        cancelled(counts.items_cancelled)
    );
    let _ = writeln!(text, "  bytes   {} ({})", counts.bytes_done, rate(counts.bytes_done, status.seconds));
    if counts.items_kept > 0 {
        let _ = writeln!(text, "  kept    {} items have not changed and were not read again", counts.items_kept);
    }
    if counts.items_untimed > 0 {
        let _ = writeln!(
            text,
            "  untimed {} items were read from copies with the planned size and another modification time",
            counts.items_untimed
        );
    }
    text.push_str(&messages(status));
    if let Some((label, value)) = &status.sum {
        let _ = writeln!(text, "  sum     {label}: {value}");
    }
    if let Some(sha256) = &status.report_sha256 {
        let _ = writeln!(text, "  sha256  {sha256}  ({recompute})");
    }
    text
}

/// The lines about dead letters, expired and stale messages, copies still out, and conflicts.
fn messages(status: &JobStatus) -> String {
    let (counts, mut text) = (&status.counts, String::new());
    if let Some(waits) = waits(status) {
        let _ = writeln!(text, "  waits   {}", printable(&waits));
    }
    if counts.dead_letters > 0 {
        let _ = writeln!(text, "  dead    {} messages of this job were refused", counts.dead_letters);
    }
    if counts.expired > 0 {
        let _ = writeln!(
            text,
            "  expired {} messages of this job, by a policy of the broker; they were sent again",
            counts.expired
        );
    }
    if !counts.dropped.is_empty() {
        let reasons = counts.dropped.iter().map(|(reason, count)| format!("{count} of {}", printable(reason)));
        let _ = writeln!(
            text,
            "  stale   {} messages named this job and were not acted on: {}",
            counts.dropped.values().fold(0, |sum: u64, count| sum.saturating_add(*count)),
            reasons.collect::<Vec<_>>().join(", ")
        );
    }
    let out = counts.sends.saturating_sub(counts.returns);
    if out > 0 && status.state == JobState::Finished {
        let _ =
            writeln!(text, "  out     {out} copies of its tasks may still be worked on: their answers will not count");
    }
    if counts.conflicts > 0 {
        let _ = writeln!(
            text,
            "  ALARM   {} tasks were answered twice with different answers; the first one counts",
            counts.conflicts
        );
    }
    text
}

fn rate(bytes: u64, seconds: f64) -> String {
    if seconds > 0.0 { format!("{:.1} MB/s", bytes as f64 / seconds / 1e6) } else { "no time".to_owned() }
}

/// The receipt for programs, as one line of JSON. `is_unseen` means that this run did not check
/// whether files have changed since they were planned.
pub fn receipt_json(status: &JobStatus, is_unseen: bool) -> String {
    let mut value = serde_json::to_value(status).expect("a status has text keys and finite numbers");
    value["type"] = "receipt".into();
    if is_unseen {
        value["rechecked"] = false.into();
    }
    value.to_string()
}
