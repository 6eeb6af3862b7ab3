//! The report as the job goes on: a thread that writes what is complete.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use reducer::fold::Record;
use reducer::report::{Format, Render, ReportError, Sink, Target, write_frequencies};
use reducer::service::{Handle, Progress};
use shared::protocol::id::{JobId, OpeningId};
use tokio::task::JoinHandle;

/// How a report is written.
#[derive(Clone)]
pub struct Output {
    /// Where to.
    pub target: Target,
    /// How.
    pub format: Format,
    /// Takes each failed item.
    pub failed: Arc<dyn Fn(&Record) + Send + Sync>,
    /// How often each word occurs, beside the report.
    pub frequencies: Option<Frequencies>,
}

/// How often each word occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frequencies {
    /// Where to.
    pub target: Target,
    /// Only so many words.
    pub top: Option<u64>,
}

/// How far the report may go.
enum Reach {
    /// Tasks below this number.
    Answered(u64),
    /// All of it.
    Complete,
}

/// How long a stopping run waits for a write to an output that nobody reads.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A report that is being written.
pub struct Report {
    forward: JoinHandle<()>,
    write: JoinHandle<Result<String, ReportError>>,
}

impl Report {
    /// Waits for its end: the SHA-256 of the whole report, or a failure when the owner stops before.
    pub async fn written(&mut self) -> Result<String, ReportError> {
        (&mut self.write).await.expect("writing a report does not panic")
    }

    /// Ends it where it is. The store must not be closed while it reads: the last to close tidies
    /// up, and a reader may not.
    pub async fn stop(self) {
        self.forward.abort();
        if !self.write.is_finished() {
            let _ = tokio::time::timeout(STOP_TIMEOUT, self.write).await;
        }
    }
}

/// Starts writing to the output's target, which is open.
pub fn spawn(handle: &Handle, job: &JobId, opening: &OpeningId, output: Output, sink: Sink) -> Report {
    let (reach, reached) = channel();
    let (progress, store, job) = (handle.progress(), handle.store_path().to_owned(), job.clone());
    let forward = tokio::spawn(forward(progress, opening.clone(), reach));
    let write = tokio::task::spawn_blocking(move || {
        let mut render = Render::new(&store, &job, output.format)?;
        let follow = |out: &mut dyn Write| follow(&mut render, &reached, out, &mut |record| (output.failed)(record));
        sink.write(follow)?;
        if let Some(Frequencies { target, top }) = &output.frequencies {
            target.write(|out| write_frequencies(&store, &job, *top, out))?;
        }
        Ok(render.sha256())
    });
    Report { forward, write }
}

async fn forward(mut progress: tokio::sync::watch::Receiver<Progress>, opening: OpeningId, reach: Sender<Reach>) {
    let mut told = 0;
    loop {
        let next = {
            let progress = progress.borrow_and_update();
            if progress.complete.contains(&opening) || progress.finished.contains(&opening) {
                Some(Reach::Complete)
            } else {
                progress
                    .answered
                    .get(&opening)
                    .filter(|&&answered| answered > told)
                    .map(|&answered| Reach::Answered(answered))
            }
        };
        let is_complete = matches!(next, Some(Reach::Complete));
        if let Some(next) = next {
            if let Reach::Answered(answered) = next {
                told = answered;
            }
            if reach.send(next).is_err() {
                return;
            }
        }
        if is_complete || progress.changed().await.is_err() {
            return;
        }
    }
}

fn follow(
    render: &mut Render,
    reached: &Receiver<Reach>,
    out: &mut dyn Write,
    failed: &mut dyn FnMut(&Record),
) -> Result<(), ReportError> {
    loop {
        let reach = reached.recv().map_err(|_| stopped())?;
        match reached.try_iter().last().unwrap_or(reach) {
            Reach::Answered(answered) => render.write_up_to(answered, out, failed)?,
            Reach::Complete => return render.write_up_to(u64::MAX, out, failed),
        }
    }
}

fn stopped() -> ReportError {
    ReportError::Output { path: None, cause: io::Error::other("the job was stopped before its end") }
}
