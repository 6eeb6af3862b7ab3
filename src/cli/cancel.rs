//! `cancel`: ends a job as it stands, asked of its owner or written into its store.

use reducer::owner::Event;
use reducer::report::{receipt_json, receipt_text};
use shared::job::JobState;
use shared::message::{Reply, Request};

use super::args::CancelArgs;
use super::owners::{at_rest, find, unanswered, unknown};
use super::{Exit, Failure, broker, term};

/// `packhorse cancel ID`
pub async fn run(args: CancelArgs) -> Result<Exit, Failure> {
    // What is done is not to end in "could not".
    term::can_print()?;
    let job = &args.job;
    let reply = match &args.from.state {
        Some(state) => Some(at_rest(state, |reply| Event::Cancel { job: job.clone(), reply })?),
        None => ask(&args).await?,
    };
    let Some(Reply::Status(status)) = &reply else {
        return Err(match &args.from.state {
            Some(state) => Failure::usage(format!(
                "no job {job} here; packhorse jobs --state {} lists those that it has",
                state.display()
            )),
            None if reply.is_none() => unanswered(),
            None => unknown(job),
        });
    };
    let text =
        if args.from.json { receipt_json(status) + "\n" } else { receipt_text(status, "sha256sum of the report") };
    term::print(text.as_bytes())?;
    if status.state != JobState::Cancelled {
        term::complain(&format!("job {job} has ended already; there is nothing to cancel"));
    }
    Ok(Exit::Success)
}

async fn ask(args: &CancelArgs) -> Result<Option<Reply>, Failure> {
    let url = broker::for_role(&args.from.broker)?.ok_or_else(|| {
        Failure::usage(format!(
            "{}. A command that runs without one ends with Ctrl-C; a job that it has left in a store is \
             cancelled with --state FILE",
            broker::missing()
        ))
    })?;
    let request = Request::Cancel { job: args.job.clone() };
    find(&url, &args.from.broker, &request, |reply| matches!(reply, Reply::Status(_))).await
}
