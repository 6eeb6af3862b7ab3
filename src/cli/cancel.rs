//! `cancel`: ends a job as it stands, asked of its owner or written into its store.

use reducer::owner::Event;
use reducer::report::{receipt_json, receipt_text};
use shared::protocol::job::{JobState, JobStatus};
use shared::protocol::message::{Reply, Request};

use super::args::CancelArgs;
use super::owners::{at_rest, of_its_owner};
use super::{Exit, Failure, broker, term};

/// `packhorse cancel ID`
pub async fn run(args: CancelArgs) -> Result<Exit, Failure> {
    // What is done is not to end in "could not".
    term::can_print()?;
    let job = &args.job;
    let status = match &args.from.state {
        Some(state) => {
            at_rest(state, |reply| Event::Cancel { job: job.clone(), opening: None, reply }).map(|reply| {
                let missing = || {
                    let state = state.display();
                    Failure::usage(format!("no job {job} here; packhorse jobs --state {state} lists those that it has"))
                };
                if let Reply::Status(status) = reply { Ok(status) } else { Err(missing()) }
            })??
        }
        None => ask(&args).await?,
    };
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

/// Cancels the job as it was found, and no other of its name that may have been begun since.
async fn ask(args: &CancelArgs) -> Result<Box<JobStatus>, Failure> {
    let url = broker::for_role(&args.from.broker)?.ok_or_else(|| {
        Failure::usage(format!(
            "{}. A command that runs without one ends with Ctrl-C; a job that it has left in a store is \
             cancelled with --state FILE",
            broker::missing()
        ))
    })?;
    let request = |found: &JobStatus| Request::Cancel { job: found.job.clone(), opening: found.opening.clone() };
    match of_its_owner(&url, args.from.whom(), &args.job, request).await? {
        Reply::Status(status) => Ok(status),
        other => Err(Failure::unfinished(format!("the reducer gave an answer of another kind: {other:?}"))),
    }
}
