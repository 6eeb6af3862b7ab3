//! The report, written while the job runs: a thread writes the tasks that are complete.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use reducer::fold::Record;
use reducer::owner::Reached;
use reducer::report::{Format, Render, ReportError, Side, Sink, Target};
use reducer::service::Handle;
use shared::protocol::id::JobId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone)]
pub struct Output {
    pub target: Target,
    pub format: Format,
    /// Called with each failed item.
    pub failed: Arc<dyn Fn(&Record) + Send + Sync>,
    /// For the side report, if the job has one.
    pub side: Option<SideOutput>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideOutput {
    pub target: Target,
    /// Write only this many lines; `None`: all.
    pub lines: Option<u64>,
}

/// How far the report may be written.
enum Reach {
    /// All tasks below this number are answered.
    Answered(u64),
    Complete,
}

/// How long a stopping run waits for a write that is blocked, for instance on a pipe that is not
/// being read.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A report that is being written.
pub struct Report {
    forward: JoinHandle<()>,
    write: JoinHandle<Result<String, ReportError>>,
}

impl Report {
    /// Waits until the report is written. Gives the SHA-256 of the whole report, or a failure if
    /// the owner stops first.
    pub async fn written(&mut self) -> Result<String, ReportError> {
        (&mut self.write).await.expect("writing a report does not panic")
    }

    /// Stops writing. The store must not be closed while the report reads it: the last connection
    /// to close tidies up, and the report's read-only connection may not.
    pub async fn stop(self) {
        self.forward.abort();
        if !self.write.is_finished() {
            let _ = tokio::time::timeout(STOP_TIMEOUT, self.write).await;
        }
    }
}

/// Starts writing to `sink`, the open target of `output`.
pub fn spawn(handle: &Handle, job: &JobId, following: watch::Receiver<Reached>, output: Output, sink: Sink) -> Report {
    let (reach, reached) = channel();
    let (store, job) = (handle.store_path().to_owned(), job.clone());
    let forward = tokio::spawn(forward(following, reach));
    let write = tokio::task::spawn_blocking(move || {
        let mut render = Render::new(&store, &job, output.format)?;
        let follow = |out: &mut dyn Write| follow(&mut render, &reached, out, &mut |record| (output.failed)(record));
        sink.write(follow)?;
        if let (Some(SideOutput { target, lines }), Some(side)) = (&output.side, Side::of(render.spec())) {
            target.write(|out| side.write(&store, &job, *lines, out))?;
        }
        Ok(render.sha256())
    });
    Report { forward, write }
}

async fn forward(mut following: watch::Receiver<Reached>, reach: Sender<Reach>) {
    let mut told = 0;
    loop {
        let Reached { answered, is_over, is_finished } = *following.borrow_and_update();
        let is_complete = is_over || is_finished;
        let next = if is_complete { Reach::Complete } else { Reach::Answered(answered) };
        if (is_complete || answered > told) && reach.send(next).is_err() {
            return;
        }
        told = answered;
        if is_complete || following.changed().await.is_err() {
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
