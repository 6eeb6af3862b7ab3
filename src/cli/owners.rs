//! Owners of jobs: asked over a broker, or their stores opened while they do not run.

use std::path::Path;
use std::sync::Arc;

use reducer::ledger::{Action, Ledger};
use reducer::owner::{Config, Effect, Event, ReplyTo};
use reducer::store::{Place, Reader, Store, StoreError};
use shared::clock::Clock;
use shared::control::Asker;
use shared::id::JobId;
use shared::limits;
use shared::message::{Reply, Request};
use shared::path::printable;
use shared::transport::{BrokerUrl, TransportError};

use super::args::BrokerArgs;
use super::{Failure, broker, term};

/// What all owners reply.
pub async fn gather(args: &BrokerArgs, request: &Request) -> Result<Vec<Reply>, Failure> {
    let url = broker::required(args)?;
    let replies = over(&url, args, async |asker| asker.gather(request, limits::GATHER).await).await?;
    if replies.is_empty() { Err(silence()) } else { without_refusals(replies) }
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
pub fn silence() -> Failure {
    Failure::unfinished("no reducer answered. Is it running, with the same keys (--key-file) as this command?")
}

/// What all owners reply to a request that changes something. One that is busy answers late, and one whose
/// answer does not come may have done it.
pub async fn change(args: &BrokerArgs, request: &Request) -> Result<Vec<Reply>, Failure> {
    let url = broker::required(args)?;
    let replies = over(&url, args, async |asker| asker.gather(request, limits::CONTROL_TIMEOUT).await).await?;
    if replies.is_empty() { Err(unanswered()) } else { without_refusals(replies) }
}

/// A request that changes something has no reply.
pub fn unanswered() -> Failure {
    Failure::unfinished(
        "no reducer answered. Is it running? One that is busy may still do it; packhorse jobs says how its jobs stand",
    )
}

/// The reply that is looked for, from whichever owner has it; else the last one. `None` when nobody answers.
pub async fn find(
    url: &BrokerUrl,
    args: &BrokerArgs,
    request: &Request,
    is_it: impl Fn(&Reply) -> bool,
) -> Result<Option<Reply>, Failure> {
    match over(url, args, async |asker| asker.find(request, limits::CONTROL_TIMEOUT, is_it).await).await? {
        Some(Reply::Refused { reason }) => Err(Failure::unfinished(printable(&reason))),
        found => Ok(found),
    }
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
pub fn unknown(job: &JobId) -> Failure {
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
    let (config, now) = (Config::new(store.owner().clone(), store.id().clone()), Clock::start().now());
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
