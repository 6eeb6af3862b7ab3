//! `jobs forget`: asks the owner to remove a job that has ended, or removes it from its store.

use reducer::owner::Event;
use reducer::report::receipt_json;
use shared::protocol::job::JobStatus;
use shared::protocol::message::Request;

use super::args::ForgetArgs;
use super::owners::{at_rest, changed, of_its_owner};
use super::{Exit, Failure, broker, term};

pub async fn run(args: ForgetArgs) -> Result<Exit, Failure> {
    // Check stdout first: the command must not fail to print after it has removed the job.
    term::can_print()?;
    let job = &args.job;
    let state = args.from.state.as_deref();
    let reply = match state {
        Some(state) => {
            at_rest(state, |reply| Event::ForgetJob { job: job.clone(), opening: None, reply: Some(reply) })?
        }
        None => {
            let request =
                |found: &JobStatus| Request::ForgetJob { job: found.job.clone(), opening: found.opening.clone() };
            of_its_owner(&broker::required(&args.from.broker)?, args.from.whom(), job, request).await?
        }
    };
    let status = changed(reply, job, state)?;
    let text = if args.from.json {
        receipt_json(&status, false) + "\n"
    } else {
        format!("forgot job {job} and its results\n")
    };
    term::print(text.as_bytes())?;
    Ok(Exit::Success)
}
