//! `cancel`: asks the owner to cancel a job, or cancels the job in its store.

use reducer::owner::Event;
use reducer::report::{receipt_json, receipt_text};
use shared::protocol::job::{JobState, JobStatus};
use shared::protocol::message::{Reply, Request};

use super::args::CancelArgs;
use super::owners::{at_rest, changed, of_its_owner};
use super::{Exit, Failure, broker, term};

pub async fn run(args: CancelArgs) -> Result<Exit, Failure> {
    // Check stdout first: the command must not fail to print after it has cancelled the job.
    term::can_print()?;
    let job = &args.job;
    let state = args.from.state.as_deref();
    let reply = match state {
        Some(state) => at_rest(state, |reply| Event::Cancel { job: job.clone(), opening: None, reply })?,
        None => ask(&args).await?,
    };
    let status = changed(reply, job, state)?;
    let text = if args.from.json {
        receipt_json(&status, false) + "\n"
    } else {
        receipt_text(&status, "sha256sum of the report")
    };
    term::print(text.as_bytes())?;
    if status.state != JobState::Cancelled {
        term::complain(&format!("job {job} has ended already; there is nothing to cancel"));
    }
    Ok(Exit::Success)
}

/// Cancels the opening of the job that was found, and no later job of the same name.
async fn ask(args: &CancelArgs) -> Result<Reply, Failure> {
    let url = broker::for_role(&args.from.broker)?.ok_or_else(|| {
        Failure::usage(format!(
            "{}. To stop a command that runs without a broker, press Ctrl-C there; to cancel a job that it has left \
             in a store, give --state FILE",
            broker::missing()
        ))
    })?;
    let request = |found: &JobStatus| Request::Cancel { job: found.job.clone(), opening: found.opening.clone() };
    of_its_owner(&url, args.from.whom(), &args.job, request).await
}
