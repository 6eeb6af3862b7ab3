//! A job's report from a reducer that runs elsewhere.

use std::io;

use reducer::fold::Record;
use reducer::report::{ReportError, Target, receipt_text};
use serde::Deserialize;
use shared::control::Asker;
use shared::id::{JobId, OwnerId};
use shared::job::JobStatus;
use shared::limits;
use shared::message::{Reply, ReportOf, ReportPlace, Request};
use shared::path::{PathBytes, from_base64};
use shared::shutdown::Shutdown;
use tokio::sync::mpsc;

use super::{Exit, Failure, owned, term};

/// Pieces of a report that wait to be written.
const PIECES: usize = 4;

/// What the writer of a report is given. Without its end a report is not whole.
enum Piece {
    Text(Vec<u8>),
    End,
}

/// Waits for the job's end, then fetches and writes its report.
pub async fn report(
    mut asker: Asker,
    owner: &OwnerId,
    job: &JobId,
    output: &Target,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let fetch = async {
        let status = wait(&mut asker, owner, job).await?;
        write(&mut asker, owner, job, output).await?;
        failures(&mut asker, owner, &status, &complain).await?;
        term::say(&receipt_text(&status, &recompute(output)));
        Ok(owned::verdict(&status))
    };
    tokio::select! {
        biased;
        () = shutdown.asked() => Ok(Exit::Interrupted),
        exit = fetch => exit,
    }
}

/// How the digest of a report can be computed again.
pub fn recompute(output: &Target) -> String {
    match output {
        Target::File(path) => format!("sha256sum {}", path.display()),
        Target::Stdout => "sha256sum of the lines on standard output".to_owned(),
    }
}

async fn wait(asker: &mut Asker, owner: &OwnerId, job: &JobId) -> Result<JobStatus, Failure> {
    let mut said = false;
    loop {
        match asker.ask(owner, &Request::Status { job: job.clone() }, limits::CONTROL_TIMEOUT).await? {
            Some(Reply::Status(status)) if status.report_sha256.is_some() => return Ok(*status),
            Some(Reply::UnknownJob) if !said => {
                said = true;
                term::complain(&format!("waiting for job {job}, which reducer {owner} does not have yet"));
            }
            _ => {}
        }
        tokio::time::sleep(limits::STATUS_INTERVAL).await;
    }
}

/// The writer is a thread, because a file is written in one go, and the reader of a pipe may be slow.
async fn write(asker: &mut Asker, owner: &OwnerId, job: &JobId, output: &Target) -> Result<(), Failure> {
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
                    None => return Err(failed(io::Error::other("the reducer went away"))),
                }
            }
        })
    });
    let mut from = Some(ReportPlace::default());
    while let Some(place) = from {
        let (text, next) = chunk(asker, owner, job, ReportOf::Results, place).await?;
        from = next;
        if pieces.send(Piece::Text(text)).await.is_err() {
            break;
        }
    }
    let _ = pieces.send(Piece::End).await;
    term::written(writer.await.map_err(Failure::unfinished)?)
}

/// Tells of each item of a finished job that failed, as a line of JSON.
pub async fn failures(
    asker: &mut Asker,
    owner: &OwnerId,
    status: &JobStatus,
    tell: &dyn Fn(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut from = (status.counts.items_failed > 0).then(ReportPlace::default);
    let mut rest = Vec::new();
    while let Some(place) = from {
        let (text, next) = chunk(asker, owner, &status.job, ReportOf::Failures, place).await?;
        rest.extend(text);
        let whole = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        for line in rest.drain(..whole).collect::<Vec<u8>>().split_inclusive(|&byte| byte == b'\n') {
            tell(line)?;
        }
        from = next;
    }
    Ok(())
}

/// Says to people what such a line says.
pub fn complain(line: &[u8]) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Failed {
        name: PathBytes,
        reason: String,
    }
    let Failed { name, reason } = serde_json::from_slice(line).map_err(|error| {
        Failure::unfinished(format!("the reducer names a failed item that cannot be read: {error}"))
    })?;
    owned::complain_of(&Record::Failed { name, reason });
    Ok(())
}

async fn chunk(
    asker: &mut Asker,
    owner: &OwnerId,
    job: &JobId,
    of: ReportOf,
    from: ReportPlace,
) -> Result<(Vec<u8>, Option<ReportPlace>), Failure> {
    loop {
        let piece = Request::Report { job: job.clone(), of, from };
        match asker.ask(owner, &piece, limits::CONTROL_TIMEOUT * 5).await? {
            Some(Reply::Report(chunk)) => {
                let text = from_base64(&chunk.text_base64)
                    .ok_or_else(|| Failure::unfinished("the reducer sent a piece of the report that is no base64"))?;
                return Ok((text, (!chunk.last).then_some(chunk.next)));
            }
            Some(Reply::Refused { reason }) => return Err(Failure::unfinished(reason)),
            Some(Reply::UnknownJob) => {
                return Err(Failure::unfinished(format!("reducer {owner} has no job {job} any more")));
            }
            _ => {}
        }
    }
}
