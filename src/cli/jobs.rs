//! `jobs` and `status`: the state of jobs, asked over a broker or read from a store.

use std::path::Path;

use reducer::report::{receipt_json, receipt_text};
use shared::protocol::job::JobStatus;
use shared::protocol::message::{Reply, Request};

use super::args::{JobsArgs, StatusArgs};
use super::broker::required;
use super::owners::{self, no_such_job, reader};
use super::{Exit, Failure, term};

pub async fn jobs(args: JobsArgs) -> Result<Exit, Failure> {
    let jobs = match &args.state {
        Some(state) => stored(state)?,
        None => told(&args).await?,
    };
    let text =
        if args.json { jobs.iter().map(|status| receipt_json(status, false) + "\n").collect() } else { table(&jobs) };
    term::print(text.as_bytes())?;
    Ok(Exit::Success)
}

pub async fn status(args: StatusArgs) -> Result<Exit, Failure> {
    let job = &args.job;
    let status = match &args.from.state {
        Some(state) => {
            stored(state)?.into_iter().find(|status| status.job == *job).ok_or_else(|| no_such_job(job, state))?
        }
        None => owners::status(&required(&args.from.broker)?, args.from.whom(), job).await?,
    };
    let text = if args.from.json {
        receipt_json(&status, false) + "\n"
    } else {
        receipt_text(&status, "sha256sum of the report")
    };
    term::print(text.as_bytes())?;
    Ok(Exit::Success)
}

fn stored(state: &Path) -> Result<Vec<JobStatus>, Failure> {
    reader(state)?.statuses().map_err(|error| Failure::from(&error))
}

async fn told(args: &JobsArgs) -> Result<Vec<JobStatus>, Failure> {
    let replies = owners::gather(args.whom(), &Request::Jobs).await?;
    let of = |reply| if let Reply::Jobs { jobs } = reply { jobs } else { Vec::new() };
    let mut jobs: Vec<JobStatus> = replies.into_iter().flat_map(of).collect();
    jobs.sort_by(|a, b| (&a.owner, &a.job).cmp(&(&b.owner, &b.job)));
    Ok(jobs)
}

/// Width of the column with the owners' names, in characters: the length of a command's own name.
const OWNER_WIDTH: usize = 22;

fn table(jobs: &[JobStatus]) -> String {
    let names = jobs.iter().map(|status| status.owner.as_str().len());
    let width = names.max().unwrap_or(0).max(OWNER_WIDTH);
    let mut text = format!(
        "{:<24} {:<width$} {:<8} {:<9} {:>19} {:>23} {:>7} {:>15} {:>9}\n",
        "JOB", "OWNER", "WORKLOAD", "STATE", "TASKS", "ITEMS", "FAILED", "BYTES", "SECONDS"
    );
    for status in jobs {
        let counts = &status.counts;
        text.push_str(&format!(
            "{:<24} {:<width$} {:<8} {:<9} {:>19} {:>23} {:>7} {:>15} {:>9.1}\n",
            status.job,
            status.owner.as_str(),
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
