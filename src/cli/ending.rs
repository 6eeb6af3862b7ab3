//! What a command prints at the end of a job, and its exit code.

use reducer::fold::Record;
use reducer::report::{Target, receipt_json, receipt_text};
use shared::protocol::job::{JobState, JobStatus};
use shared::protocol::path::printable;

use super::args::OutputArgs;
use super::{Exit, Failure, term};

/// Prints a failed item with its reason to stderr.
pub fn complain_of(record: &Record) {
    if let Record::Failed { name, reason } = record {
        term::complain(&format!("{}: {}", name.display(), printable(reason)));
    }
}

/// Prints the receipt: text to stderr, or with --json the last JSON line. `is_unseen` says that the
/// job was resumed without checking whether files have changed since they were planned.
pub fn receipt(status: &JobStatus, recompute: &str, out: OutputArgs, is_unseen: bool) -> Result<(), Failure> {
    if out.json {
        term::print(format!("{}\n", receipt_json(status, is_unseen)).as_bytes())?;
    } else if !out.quiet {
        term::say(&receipt_text(status, recompute));
    }
    if is_unseen {
        let job = &status.job;
        term::complain(&format!(
            "job {job} was resumed without checking for changes since it was planned (--no-recheck): its report may \
             describe older files"
        ));
    }
    tell_if_empty(status, out.quiet);
    Ok(())
}

/// Warns that a job found no files. The cause may be a directory that is not mounted.
fn tell_if_empty(status: &JobStatus, quiet: bool) {
    if status.state == JobState::Finished && status.counts.items_planned == 0 && !quiet {
        term::complain(&format!("job {} found no files: its report is empty", status.job));
    }
}

/// The exit code for a job that has ended.
pub fn verdict(status: &JobStatus, is_unseen: bool) -> Exit {
    if status.state == JobState::Cancelled {
        term::complain(&format!("job {} was cancelled before it was done", status.job));
        return Exit::Unfinished;
    }
    let is_clean = status.counts.items_failed == 0 && status.counts.conflicts == 0 && !is_unseen;
    if is_clean { Exit::Success } else { Exit::ItemsFailed }
}

/// The command that computes the digest of the report again.
pub fn recompute(output: &Target) -> String {
    match output {
        Target::File(path) => format!("sha256sum {}", path.display()),
        Target::Stdout => "sha256sum of the lines on standard output".to_owned(),
        Target::Descriptor(descriptor) => format!("sha256sum of the lines on {}", descriptor.name().display()),
    }
}
