//! `explain`: why a job or a task waits, failed or is missing, in one sentence.

use reducer::ledger::Arrived;
use serde_json::json;
use shared::protocol::id::{JobId, TaskId};
use shared::protocol::job::JobStatus;
use shared::protocol::message::{Reply, Request};
use shared::protocol::path::printable;

use super::args::ExplainArgs;
use super::owners::{at_rest, of_its_owner};
use super::{Exit, Failure, broker, term};

pub async fn run(args: ExplainArgs) -> Result<Exit, Failure> {
    let (job, number) = parse(&args.id)?;
    let (reply, before) = match &args.from.state {
        Some(state) => {
            let event = |reply| Arrived::Explain { job: job.clone(), number, reply };
            (at_rest(state, event)?, "no command or reducer works on this store now; ")
        }
        None => {
            let url = broker::required(&args.from.broker)?;
            let request = |_: &JobStatus| Request::Explain { job: job.clone(), number };
            (of_its_owner(&url, args.from.whom(), &job, request).await?, "")
        }
    };
    let Reply::Explained { text } = reply else {
        return Err(Failure::usage(format!("no job {job} found; packhorse jobs lists all jobs")));
    };
    let text = printable(&format!("{before}{text}"));
    let line =
        if args.from.json { json!({"schema": 1, "type": "explanation", "text": text}).to_string() } else { text };
    term::print(format!("{line}\n").as_bytes())?;
    Ok(Exit::Success)
}

fn parse(id: &str) -> Result<(JobId, Option<u64>), Failure> {
    match id.parse::<TaskId>() {
        Ok(task) => Ok((task.job, Some(task.number))),
        Err(_) => id.parse().map(|job| (job, None)).map_err(|_| {
            Failure::usage(format!("{id:?} is neither a job's id nor a task's (JOB.NUMBER); packhorse jobs lists jobs"))
        }),
    }
}
