//! `jobs` and `status`: how jobs stand, asked over a broker or read from a store.

use reducer::report::{receipt_json, receipt_text};
use shared::job::JobStatus;
use shared::message::{Reply, Request};

use super::args::{JobsArgs, StatusArgs};
use super::owners::{gather, reader, unknown};
use super::{Exit, Failure, term};

/// `packhorse jobs`
pub async fn jobs(args: JobsArgs) -> Result<Exit, Failure> {
    let jobs = look(&args, Request::Jobs).await?;
    let text = if args.json { jobs.iter().map(|status| receipt_json(status) + "\n").collect() } else { table(&jobs) };
    term::print(text.as_bytes())?;
    Ok(Exit::Success)
}

/// `packhorse status ID`
pub async fn status(args: StatusArgs) -> Result<Exit, Failure> {
    let jobs = look(&args.from, Request::Status { job: args.job.clone() }).await?;
    let Some(status) = jobs.iter().find(|status| status.job == args.job) else {
        return Err(unknown(&args.job));
    };
    let text =
        if args.from.json { receipt_json(status) + "\n" } else { receipt_text(status, "sha256sum of the report") };
    term::print(text.as_bytes())?;
    Ok(Exit::Success)
}

async fn look(args: &JobsArgs, request: Request) -> Result<Vec<JobStatus>, Failure> {
    if let Some(state) = &args.state {
        return reader(state)?.statuses().map_err(|error| Failure::from(&error));
    }
    let mut jobs: Vec<JobStatus> = Vec::new();
    for reply in gather(&args.broker, &request).await? {
        match reply {
            Reply::Jobs { jobs: more } => jobs.extend(more),
            Reply::Status(status) => jobs.push(*status),
            _ => {}
        }
    }
    jobs.sort_by(|a, b| (&a.owner, &a.job).cmp(&(&b.owner, &b.job)));
    Ok(jobs)
}

fn table(jobs: &[JobStatus]) -> String {
    let mut text = format!(
        "{:<24} {:<8} {:<9} {:>19} {:>23} {:>7} {:>15} {:>9}\n",
        "JOB", "WORKLOAD", "STATE", "TASKS", "ITEMS", "FAILED", "BYTES", "SECONDS"
    );
    for status in jobs {
        let counts = &status.counts;
        text.push_str(&format!(
            "{:<24} {:<8} {:<9} {:>19} {:>23} {:>7} {:>15} {:>9.1}\n",
            status.job,
            status.workload,
            status.state.as_str(),
            format!("{}/{}", counts.tasks_done + counts.tasks_failed, counts.tasks_planned),
            format!("{}/{}", counts.items_done + counts.items_failed, counts.items_planned),
            counts.items_failed,
            counts.bytes_done,
            status.seconds
        ));
    }
    text
}
