//! Asks the owners of jobs over a broker, or opens the store of an owner that is not running.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reducer::ledger::{Action, Arrived, Ledger};
use reducer::owner::{Config, Effect, ReplyTo};
use reducer::store::{Place, Reader, Store, StoreError};
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::JobStatus;
use shared::protocol::limits;
use shared::protocol::message::{Reply, Request};
use shared::protocol::path::printable;
use shared::system::clock::Clock;
use shared::transport::ask::Asker;
use shared::transport::{BrokerUrl, TransportError};

use super::args::{BrokerArgs, Whom};
use super::{Failure, broker, term};

/// Asks owners, and fails if none replies.
pub async fn gather(whom: Whom<'_>, request: &Request) -> Result<Vec<Reply>, Failure> {
    let replies = ask(whom, request, limits::GATHER).await?;
    if replies.is_empty() { Err(silence(whom)) } else { without_refusals(replies) }
}

async fn ask(whom: Whom<'_>, request: &Request, patience: Duration) -> Result<Vec<Reply>, Failure> {
    let url = broker::required(whom.broker)?;
    over(&url, whom.broker, async |asker| match whom.owner {
        Some(owner) => Ok(asker.ask(owner, request, limits::CONTROL_TIMEOUT).await?.into_iter().collect()),
        None => asker.gather(request, patience).await,
    })
    .await
}

/// Drops the refusals and tells the user about them, because the other replies are then not
/// complete. Fails if all owners refused.
fn without_refusals(replies: Vec<Reply>) -> Result<Vec<Reply>, Failure> {
    let (mut given, mut refused) = (Vec::new(), Vec::new());
    for reply in replies {
        match reply {
            Reply::Refused { reason } => refused.push(reason),
            reply => given.push(reply),
        }
    }
    match refused.first() {
        Some(reason) if given.is_empty() => Err(Failure::unfinished(printable(reason))),
        _ => {
            let text =
                |reason: &String| format!("a reducer refused, so the output is incomplete: {}", printable(reason));
            refused.iter().for_each(|reason| term::complain(&text(reason)));
            Ok(given)
        }
    }
}

/// The failure when no owner answered.
fn silence(whom: Whom<'_>) -> Failure {
    let who = whom.owner.map_or_else(|| "no reducer".to_owned(), |owner| format!("no reducer {owner}"));
    Failure::unfinished(format!("{who} answered. Is it running, with the same keys (--key-file) as this command?"))
}

/// Asks owners to change something. A busy owner answers late, and an owner whose answer does not
/// come may still have made the change.
pub async fn change(whom: Whom<'_>, request: &Request) -> Result<Vec<Reply>, Failure> {
    let replies = ask(whom, request, limits::CONTROL_TIMEOUT).await?;
    if replies.is_empty() { Err(unanswered()) } else { without_refusals(replies) }
}

/// The failure when no owner answered a request that changes something.
fn unanswered() -> Failure {
    Failure::unfinished(
        "no reducer answered. Is it running? A busy reducer may still do it; packhorse jobs shows its jobs' states",
    )
}

/// A job's status from its owner. Fails if several owners have a job of this name.
pub async fn status(url: &BrokerUrl, whom: Whom<'_>, job: &JobId) -> Result<JobStatus, Failure> {
    let replies = over(url, whom.broker, async |asker| find(asker, whom.owner, job).await).await?;
    the_one(whom, job, replies)
}

/// The owner's reply to a request that depends on the job's status.
pub async fn of_its_owner(
    url: &BrokerUrl,
    whom: Whom<'_>,
    job: &JobId,
    request: impl FnOnce(&JobStatus) -> Request,
) -> Result<Reply, Failure> {
    let reply = over(url, whom.broker, async |asker| {
        let replies = find(asker, whom.owner, job).await?;
        Ok(match the_one(whom, job, replies) {
            Ok(status) => Ok(asker.ask(&status.owner, &request(&status), limits::CONTROL_TIMEOUT).await?),
            Err(failure) => Err(failure),
        })
    })
    .await?;
    match reply?.ok_or_else(unanswered)? {
        Reply::Refused { reason } => Err(Failure::unfinished(printable(&reason))),
        Reply::UnknownJob => Err(unknown(job)),
        reply => Ok(reply),
    }
}

/// Fails if several owners have a job of this name, before a change reaches all of them.
pub async fn check_one(whom: Whom<'_>, job: &JobId) -> Result<(), Failure> {
    if whom.owner.is_some() {
        return Ok(());
    }
    let url = broker::required(whom.broker)?;
    let replies = over(&url, whom.broker, async |asker| find(asker, None, job).await).await?;
    let owners = owners(&replies);
    if owners.len() > 1 { Err(ambiguous(job, &owners)) } else { Ok(()) }
}

async fn find(asker: &mut Asker, owner: Option<&OwnerId>, job: &JobId) -> Result<Vec<Reply>, TransportError> {
    let request = Request::Status { job: job.clone() };
    match owner {
        Some(owner) => Ok(asker.ask(owner, &request, limits::CONTROL_TIMEOUT).await?.into_iter().collect()),
        None => asker.find(&request, limits::CONTROL_TIMEOUT, |reply| matches!(reply, Reply::Status(_))).await,
    }
}

fn owners(replies: &[Reply]) -> Vec<&OwnerId> {
    replies
        .iter()
        .filter_map(|reply| if let Reply::Status(status) = reply { Some(&status.owner) } else { None })
        .collect()
}

fn the_one(whom: Whom<'_>, job: &JobId, replies: Vec<Reply>) -> Result<JobStatus, Failure> {
    let owners = owners(&replies);
    if owners.len() > 1 {
        return Err(ambiguous(job, &owners));
    }
    if replies.is_empty() {
        return Err(silence(whom));
    }
    let of = |reply| if let Reply::Status(status) = reply { Some(*status) } else { None };
    replies.into_iter().find_map(of).ok_or_else(|| unknown(job))
}

fn ambiguous(job: &JobId, owners: &[&OwnerId]) -> Failure {
    let mut names: Vec<_> = owners.iter().map(ToString::to_string).collect();
    names.sort();
    Failure::usage(format!("several reducers have a job {job}: {}; say which with --owner NAME", names.join(", ")))
}

/// Connects to the broker, asks once and disconnects.
async fn over<T>(
    url: &BrokerUrl,
    args: &BrokerArgs,
    ask: impl AsyncFnOnce(&mut Asker) -> Result<T, TransportError>,
) -> Result<T, Failure> {
    let transport = broker::reach(url, args).await?;
    let mut asker = Asker::new(Arc::clone(&transport)).await?;
    let answer = ask(&mut asker).await;
    drop(asker);
    transport.close().await;
    Ok(answer?)
}

/// The failure when no owner that answered has this job.
fn unknown(job: &JobId) -> Failure {
    Failure::usage(format!(
        "no reducer that answered has job {job}; packhorse jobs lists the jobs (is the job's reducer running?)"
    ))
}

/// The failure when a store has no such job.
pub fn no_such_job(job: &JobId, state: &Path) -> Failure {
    let state = state.display();
    Failure::usage(format!("no job {job} in {state}; packhorse jobs --state {state} lists its jobs"))
}

/// The status in the reply to a change of a job. `state` is the store that was changed, if the job's
/// owner was not asked.
pub fn changed(reply: Reply, job: &JobId, state: Option<&Path>) -> Result<Box<JobStatus>, Failure> {
    match (reply, state) {
        (Reply::Status(status), _) => Ok(status),
        (Reply::Refused { reason }, _) => Err(Failure::unfinished(printable(&reason))),
        (Reply::UnknownJob, Some(state)) => Err(no_such_job(job, state)),
        (other, _) => Err(Failure::unfinished(format!("the reducer gave an unexpected answer: {other:?}"))),
    }
}

/// Opens a store for reading, whether its owner runs or not.
pub fn reader(state: &Path) -> Result<Reader, Failure> {
    must_exist(state)?;
    Reader::open(state).map_err(|error| Failure::from(&error))
}

/// Gives one request to a store whose owner does not run, and returns the reply.
pub fn at_rest<A: Into<Arrived>>(state: &Path, request: impl FnOnce(ReplyTo) -> A) -> Result<Reply, Failure> {
    let failed = |error: StoreError| match error {
        StoreError::InUse(_) => Failure::usage(format!(
            "the store {} is in use by a running command or reducer. Stop a command with Ctrl-C; ask a reducer, or \
             a command with a broker, over the broker instead (without --state)",
            state.display()
        )),
        error => Failure::from(&error),
    };
    // Read the store first: opening an empty file for writing would make it a store.
    drop(reader(state)?);
    let place = Place::File(state.to_owned());
    let store = Store::open(&place, || reducer::service::command_owner_id("")).map_err(failed)?;
    let (config, now) = (Config::new(store.owner().clone()), Clock::start().now());
    let mut ledger = Ledger::at_rest(config, store, now).map_err(failed)?;
    let actions = ledger.turn(vec![request(ReplyTo::Local(0)).into()], now).map_err(failed)?;
    ledger.sweep_all().map_err(failed)?;
    let reply = actions.into_iter().find_map(|action| match action {
        Action::Other(Effect::Reply { reply, .. }) => Some(*reply),
        _ => None,
    });
    reply.ok_or_else(|| Failure::unfinished("the store gave no answer"))
}

/// Fails for a missing file: opening it would create it.
fn must_exist(state: &Path) -> Result<(), Failure> {
    let missing = || Failure::usage(format!("no store {}: the file does not exist", state.display()));
    if state.exists() { Ok(()) } else { Err(missing()) }
}
