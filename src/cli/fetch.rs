//! A job's report from a reducer that runs elsewhere.

use std::io::Write;
use std::path::Path;

use reducer::report::{ReportError, receipt_text, write_file};
use shared::control::Asker;
use shared::id::{JobId, OwnerId};
use shared::job::JobStatus;
use shared::limits;
use shared::message::{Reply, ReportPlace, Request};
use shared::path::from_base64;
use shared::shutdown::Shutdown;

use super::{Exit, Failure, owned, term};

/// Waits for the job's end, then fetches and writes its report.
pub async fn report(
    mut asker: Asker,
    owner: &OwnerId,
    job: &JobId,
    output: Option<&Path>,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let fetch = async {
        let status = wait(&mut asker, owner, job).await?;
        write(&mut asker, owner, job, output).await?;
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
pub fn recompute(output: Option<&Path>) -> String {
    match output {
        Some(path) => format!("sha256sum {}", path.display()),
        None => "sha256sum of the lines on standard output".to_owned(),
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

async fn write(asker: &mut Asker, owner: &OwnerId, job: &JobId, output: Option<&Path>) -> Result<(), Failure> {
    // A file is written in one go, so its pieces are gathered first in an unnamed temporary one.
    let Some(path) = output else {
        let mut from = Some(ReportPlace::default());
        while let Some(place) = from {
            let (text, next) = chunk(asker, owner, job, place).await?;
            if !term::print(&text)? {
                return Ok(());
            }
            from = next;
        }
        return Ok(());
    };
    let (sender, receiver) = std::sync::mpsc::sync_channel::<Option<Vec<u8>>>(4);
    let path = path.to_owned();
    let writer = tokio::task::spawn_blocking(move || {
        write_file(&path, |out: &mut dyn Write| {
            loop {
                match receiver.recv() {
                    Ok(Some(text)) => {
                        out.write_all(&text).map_err(|cause| ReportError::Output { path: None, cause })?;
                    }
                    Ok(None) => return Ok(()),
                    Err(_) => {
                        let cause = std::io::Error::other("the reducer went away");
                        return Err(ReportError::Output { path: None, cause });
                    }
                }
            }
        })
    });
    let mut from = Some(ReportPlace::default());
    while let Some(place) = from {
        let (text, next) = chunk(asker, owner, job, place).await?;
        if sender.send(Some(text)).is_err() {
            break;
        }
        from = next;
    }
    let _ = sender.send(None);
    writer.await.map_err(Failure::unfinished)?.map_err(Failure::unfinished)
}

async fn chunk(
    asker: &mut Asker,
    owner: &OwnerId,
    job: &JobId,
    from: ReportPlace,
) -> Result<(Vec<u8>, Option<ReportPlace>), Failure> {
    loop {
        match asker.ask(owner, &Request::Report { job: job.clone(), from }, limits::CONTROL_TIMEOUT * 5).await? {
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
