//! Fetches a job's report from a reducer that runs elsewhere.

use std::io;

use reducer::fold::Record;
use reducer::report::{Checksum, ReportError, Target, receipt_text};
use serde::Deserialize;
use shared::protocol::id::{JobId, OpeningId, OwnerId};
use shared::protocol::job::JobStatus;
use shared::protocol::limits;
use shared::protocol::message::{Reply, ReportOf, ReportPlace, Request};
use shared::protocol::notice::{self, Waiting, waits};
use shared::protocol::path::{PathBytes, from_base64};
use shared::system::clock::Clock;
use shared::system::shutdown::Shutdown;
use shared::transport::ask::Asker;
use tokio::sync::mpsc;

use super::{Exit, Failure, ending, term};

/// Limit on pieces of a report that wait to be written.
const PIECES: usize = 4;

/// What the writer of a report receives. A report without `End` is not complete and is discarded.
enum Piece {
    Text(Vec<u8>),
    End,
}

/// A job at the reducer that owns it.
pub struct Source {
    asker: Asker,
    owner: OwnerId,
    job: JobId,
    /// The broker's URL without its password, for notices.
    broker: String,
    said_no_owner: bool,
}

/// A piece of a report: its bytes, and the place of the next piece if there is one.
type Chunk = (Vec<u8>, Option<ReportPlace>);

impl Source {
    pub fn new(asker: Asker, owner: OwnerId, job: JobId, broker: String) -> Self {
        Self { asker, owner, job, broker, said_no_owner: false }
    }

    fn note_silence(&mut self) {
        if !std::mem::replace(&mut self.said_no_owner, true) {
            term::complain(&notice::no_owner(&self.owner, &self.broker));
        }
    }

    /// Waits until the job has ended and its report is written.
    async fn end(&mut self) -> Result<JobStatus, Failure> {
        let mut said = false;
        let (clock, mut waiting) = (Clock::start(), Waiting::default());
        let status = Request::Status { job: self.job.clone() };
        loop {
            match self.asker.ask(&self.owner, &status, limits::CONTROL_TIMEOUT).await? {
                Some(Reply::Status(status)) if status.report_sha256.is_some() => return Ok(*status),
                Some(Reply::UnknownJob) if !said => {
                    said = true;
                    let (job, owner) = (&self.job, &self.owner);
                    term::complain(&format!("waiting for job {job}, which reducer {owner} does not have yet"));
                }
                None => self.note_silence(),
                Some(reply) => {
                    self.said_no_owner = false;
                    if let Reply::Status(status) = reply {
                        let text = waiting.check(&self.job, waits(&status), clock.now());
                        text.iter().for_each(|text| term::complain(text));
                    }
                }
            }
            tokio::time::sleep(limits::STATUS_INTERVAL).await;
        }
    }

    /// Asks until the reducer answers with this piece of the report.
    async fn chunk(&mut self, opening: &OpeningId, of: ReportOf, from: ReportPlace) -> Result<Chunk, Failure> {
        loop {
            match self.ask_chunk(opening, of, from).await? {
                Some(chunk) => return Ok(chunk),
                None => self.note_silence(),
            }
        }
    }

    /// Asks for a piece of the report; `None` if the reducer does not answer in time.
    async fn ask_chunk(
        &mut self,
        opening: &OpeningId,
        of: ReportOf,
        from: ReportPlace,
    ) -> Result<Option<Chunk>, Failure> {
        let (job, owner) = (&self.job, &self.owner);
        let piece = Request::Report { job: job.clone(), opening: opening.clone(), of, from };
        match self.asker.ask(owner, &piece, limits::CONTROL_TIMEOUT * 5).await? {
            Some(Reply::Report(chunk)) => {
                let text = from_base64(&chunk.text_base64)
                    .ok_or_else(|| Failure::unfinished("the reducer sent a piece of the report that is not base64"))?;
                self.said_no_owner = false;
                Ok(Some((text, (!chunk.last).then_some(chunk.next))))
            }
            Some(Reply::Refused { reason }) => Err(Failure::unfinished(reason)),
            Some(Reply::UnknownJob) => Err(Failure::unfinished(format!("reducer {owner} has no job {job} any more"))),
            _ => Ok(None),
        }
    }
}

/// Waits for the job's end, then fetches and writes its report.
pub async fn report(mut source: Source, output: &Target, shutdown: Shutdown) -> Result<Exit, Failure> {
    let fetch = async {
        let status = source.end().await?;
        write(&mut source, &status, output).await?;
        let mut failures = Failures::of(&status);
        while let Some(from) = failures.next {
            failures.take(source.chunk(&status.opening, ReportOf::Failures, from).await?, &complain)?;
        }
        term::say(&receipt_text(&status, &ending::recompute(output)));
        Ok(ending::verdict(&status, false))
    };
    shutdown.unless_asked(fetch).await.unwrap_or(Ok(Exit::Interrupted))
}

/// Fetches the report and writes it. The writer is a thread, because writing a target blocks until
/// the report is complete, and the reader of a pipe may be slow.
async fn write(source: &mut Source, status: &JobStatus, output: &Target) -> Result<(), Failure> {
    let (pieces, mut written) = mpsc::channel::<Piece>(PIECES);
    let target = output.clone();
    let writer = tokio::task::spawn_blocking(move || {
        target.write(|out| {
            let failed = |cause| ReportError::Output { path: None, cause };
            loop {
                match written.blocking_recv() {
                    Some(Piece::Text(text)) => {
                        out.write_all(&text).and_then(|()| out.flush()).map_err(failed)?;
                    }
                    Some(Piece::End) => return Ok(()),
                    None => return Err(failed(io::Error::other("the report was not received completely"))),
                }
            }
        })
    });
    let (mut from, mut sha256) = (Some(ReportPlace::default()), Checksum::default());
    while let Some(place) = from {
        let (text, next) = source.chunk(&status.opening, ReportOf::Results, place).await?;
        from = next;
        sha256.update(&text);
        if pieces.send(Piece::Text(text)).await.is_err() {
            // The writer has failed, or the reader of its pipe has closed it.
            return term::written(writer.await.map_err(Failure::unfinished)?);
        }
    }
    if status.report_sha256 != Some(sha256.hex()) {
        // Dead tasks were replayed during the fetch. Without `Piece::End` the writer discards the
        // report.
        drop(pieces);
        let _ = writer.await;
        let text = format!("the report of job {} has changed while it was fetched; run the same command", status.job);
        return Err(Failure::unfinished(format!("{text} again to fetch the new report")));
    }
    let _ = pieces.send(Piece::End).await;
    term::written(writer.await.map_err(Failure::unfinished)?)
}

/// Passes each failed item of a finished job to `tell`, as a line of JSON. Gives `false` if the
/// reducer does not answer.
pub async fn failures(
    source: &mut Source,
    status: &JobStatus,
    tell: &dyn Fn(&[u8]) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut failures = Failures::of(status);
    while let Some(from) = failures.next {
        let Some(chunk) = source.ask_chunk(&status.opening, ReportOf::Failures, from).await? else { return Ok(false) };
        failures.take(chunk, tell)?;
    }
    Ok(true)
}

/// The failed items that have arrived so far.
struct Failures {
    next: Option<ReportPlace>,
    /// The beginning of a line whose end has not arrived yet.
    rest: Vec<u8>,
}

impl Failures {
    fn of(status: &JobStatus) -> Self {
        Self { next: (status.counts.items_failed > 0).then(ReportPlace::default), rest: Vec::new() }
    }

    fn take(&mut self, (text, next): Chunk, tell: &dyn Fn(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        self.next = next;
        self.rest.extend(text);
        let whole = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        lines.split_inclusive(|&byte| byte == b'\n').try_for_each(tell)
    }
}

/// Prints a failed item, given as a line of JSON, as text to stderr.
pub fn complain(line: &[u8]) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Failed {
        name: PathBytes,
        reason: String,
    }
    let Failed { name, reason } = serde_json::from_slice(line)
        .map_err(|error| Failure::unfinished(format!("the reducer sent a failed item that cannot be read: {error}")))?;
    ending::complain_of(&Record::Failed { name, reason });
    Ok(())
}
