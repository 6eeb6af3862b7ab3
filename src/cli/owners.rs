//! Owners of jobs: asked over a broker, or their stores opened while they do not run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reducer::ledger::{Action, Ledger};
use reducer::owner::{Config, Effect, Event, ReplyTo};
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

/// What owners reply.
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

/// What owners reply that can: where one cannot, what the others say is not all.
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
            refused.iter().for_each(|reason| term::complain(&format!("a reducer does not say: {}", printable(reason))));
            Ok(given)
        }
    }
}

/// Nobody answered, which is no answer.
fn silence(whom: Whom<'_>) -> Failure {
    let who = whom.owner.map_or_else(|| "no reducer".to_owned(), |owner| format!("no reducer {owner}"));
    Failure::unfinished(format!("{who} answered. Is it running, with the same keys (--key-file) as this command?"))
}

/// What owners reply to a request that changes something. One that is busy answers late, and one whose
/// answer does not come may have done it.
pub async fn change(whom: Whom<'_>, request: &Request) -> Result<Vec<Reply>, Failure> {
    let replies = ask(whom, request, limits::CONTROL_TIMEOUT).await?;
    if replies.is_empty() { Err(unanswered()) } else { without_refusals(replies) }
}

/// A request that changes something has no reply.
fn unanswered() -> Failure {
    Failure::unfinished(
        "no reducer answered. Is it running? One that is busy may still do it; packhorse jobs says how its jobs stand",
    )
}

/// How a job stands, as its owner says. Of several owners that have one of that name none is meant.
pub async fn status(url: &BrokerUrl, whom: Whom<'_>, job: &JobId) -> Result<JobStatus, Failure> {
    let replies = over(url, whom.broker, async |asker| find(asker, whom.owner, job).await).await?;
    the_one(whom, job, replies)
}

/// The reply of a job's owner to a request that depends on how the job stands.
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

/// Refuses a name that several owners know, before something is done to all of them.
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

/// Asks once, and leaves the broker.
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

/// No owner that answers has this job.
fn unknown(job: &JobId) -> Failure {
    Failure::usage(format!(
        "no job {job} here; packhorse jobs lists those that are known (is the reducer that owns it running?)"
    ))
}

/// A store to look at, whether its owner runs or not.
pub fn reader(state: &Path) -> Result<Reader, Failure> {
    must_exist(state)?;
    Reader::open(state).map_err(|error| Failure::from(&error))
}

/// What the owner of a store would answer, of a store whose owner does not run.
pub fn at_rest(state: &Path, event: impl FnOnce(ReplyTo) -> Event) -> Result<Reply, Failure> {
    let failed = |error: StoreError| match error {
        StoreError::InUse(_) => Failure::usage(format!(
            "the store {} is in use by a running command. Ctrl-C ends that; a reducer, or a command with a broker, \
             is asked over the broker instead (without --state)",
            state.display()
        )),
        error => Failure::from(&error),
    };
    // An empty file would become a store.
    drop(reader(state)?);
    let place = Place::File(state.to_owned());
    let store = Store::open(&place, || reducer::service::command_owner_id("")).map_err(failed)?;
    let (config, now) = (Config::new(store.owner().clone()), Clock::start().now());
    let mut ledger = Ledger::at_rest(config, store, now).map_err(failed)?;
    let actions = ledger.turn(vec![event(ReplyTo::Local(0))], now).map_err(failed)?;
    let reply = actions.into_iter().find_map(|action| match action {
        Action::Other(Effect::Reply { reply, .. }) => Some(*reply),
        _ => None,
    });
    reply.ok_or_else(|| Failure::unfinished("the store gave no answer"))
}

/// Opening one that is not there would make it.
fn must_exist(state: &Path) -> Result<(), Failure> {
    if state.exists() { Ok(()) } else { Err(Failure::usage(format!("no store {}", state.display()))) }
}
