//! Requests and heartbeats from the control exchange.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shared::protocol::id::OwnerId;
use shared::protocol::limits;
use shared::protocol::message::{Message, Presence, Reply, Request, Session, kind};
use shared::protocol::reason::Reason;
use shared::protocol::topology;
use shared::system::clock::Clock;
use shared::system::random;
use shared::system::shutdown::Shutdown;
use shared::transport::ask::Asker;
use shared::transport::{Alias, Incoming, PublishError, Subscribe, Subscription, Transport, TransportError};
use tokio::time::Instant;

use super::wiring::Wiring;
use super::{Kind, ServiceError};
use crate::ledger::Arrived;
use crate::owner::{Event, ReplyTo};
use crate::report;
use crate::store::{Reader, StoreError};

/// How long another owner of the same name has to answer.
const SECOND_OWNER: Duration = Duration::from_millis(700);

/// How long the broker may hold the queue of a service whose host is gone: two to three of the
/// connection's heartbeats of 8 s.
const PREDECESSOR: Duration = Duration::from_secs(30);
const PREDECESSOR_LOOK: Duration = Duration::from_millis(500);

/// How many control queue names are tried if earlier ones stay occupied.
const RENAMES_MAX: u32 = 16;

pub(super) async fn refuse_second(transport: &Arc<dyn Transport>, owner: &OwnerId) -> Result<(), ServiceError> {
    match answer(transport, owner, SECOND_OWNER).await? {
        Some(session) => Err(ServiceError::Running { owner: owner.clone(), session: session.map(Box::new) }),
        None => Ok(()),
    }
}

/// Asks for another process of this name. The outer `None` means no answer within `time`; the inner
/// `None` means a process of an older version, which does not say which one it is.
async fn answer(
    transport: &Arc<dyn Transport>,
    owner: &OwnerId,
    time: Duration,
) -> Result<Option<Option<Session>>, TransportError> {
    let mut asker = Asker::new(Arc::clone(transport)).await?;
    let reply = asker.ask(owner, &Request::Ping, time).await?;
    Ok(reply.map(|reply| if let Reply::Pong { session, .. } = reply { session } else { None }))
}

/// Subscribes to an owner's control queue. A service that was killed, and does not answer, may
/// still occupy the queue.
pub(super) async fn subscribe(
    transport: &Arc<dyn Transport>,
    owner: &OwnerId,
) -> Result<Box<dyn Subscription>, TransportError> {
    let (queue, bindings) = topology::owner_control(owner);
    let mut wanted = Alias::of(Subscribe { queue, bindings, prefetch: limits::OWNER_PREFETCH });
    let (give_up, mut told) = (Instant::now() + PREDECESSOR, false);
    loop {
        match transport.subscribe(wanted.present().clone()).await {
            Err(error @ TransportError::Occupied { .. }) if Instant::now() < give_up => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("{error}; its holder does not answer, so waiting for the broker to release it");
                }
                tokio::time::sleep(PREDECESSOR_LOOK).await;
            }
            // The broker still holds the queue for the old process.
            Err(error @ TransportError::Occupied { .. }) if wanted.renames() < RENAMES_MAX => {
                // The old process may be alive but slow.
                if answer(transport, owner, limits::CONTROL_TIMEOUT).await?.is_some() {
                    return Err(error);
                }
                wanted.rename();
                tracing::warn!(
                    "{error}; its holder never answered, so using the queue {} instead",
                    wanted.present().queue.name
                );
            }
            done => return done,
        }
    }
}

/// Asks every consumer to send a heartbeat now instead of at its next interval.
pub(super) async fn call_consumers(transport: Arc<dyn Transport>, clock: Clock) {
    let message = Message::json(kind::REQUEST, random::token(), &Request::Ping, clock.system());
    if let Err(error) = transport.publish(topology::CONTROL, topology::ALL_CONSUMERS, message).await {
        // If the request is lost, the owner waits for the next regular heartbeats.
        tracing::debug!(%error, "Consumers could not be asked for a heartbeat.");
    }
}

pub(super) fn spawn(requests: Box<dyn Subscription>, wiring: Arc<Wiring>, shutdown: Shutdown) {
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = shutdown.asked() => {}
            () = listen(requests, &wiring) => {}
        }
    });
}

async fn listen(mut requests: Box<dyn Subscription>, wiring: &Arc<Wiring>) {
    loop {
        match requests.next().await {
            Ok(Incoming::Delivery(delivery)) => match take(&delivery.message, wiring).await {
                Ok(()) => delivery.acker.ack().await,
                Err(reason) => wiring.dead_letter(wiring.deliveries.hold(delivery), reason.to_string()),
            },
            // Another process may have taken the name while the connection was away.
            Ok(Incoming::Interrupted) => wiring.say_name(None),
            Err(error) => return wiring.fail(error.into()).await,
        }
    }
}

/// Answers from the store in the background: heartbeats must not wait for a disk.
fn look(wiring: &Arc<Wiring>, reply: ReplyTo, find: impl FnOnce(&Path) -> Result<Reply, StoreError> + Send + 'static) {
    let wiring = Arc::clone(wiring);
    tokio::spawn(async move {
        let store = wiring.store.clone();
        let answer = match tokio::task::spawn_blocking(move || find(&store)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Reply::Refused { reason: error.to_string() },
            Err(error) => Reply::Refused { reason: error.to_string() },
        };
        wiring.reply(reply, answer);
    });
}

/// Answers with a piece of a report, or with a smaller one if the broker refuses that size.
async fn report(
    wiring: Arc<Wiring>,
    to: ReplyTo,
    find: impl Fn(&Path, usize) -> Reply + Clone + Send + Sync + 'static,
) {
    let mut bytes = report::CHUNK_BYTES;
    loop {
        let (store, find) = (wiring.store.clone(), find.clone());
        let answer = match tokio::task::spawn_blocking(move || find(&store, bytes)).await {
            Ok(answer) => answer,
            Err(error) => Reply::Refused { reason: error.to_string() },
        };
        let ReplyTo::Remote { key, correlation } = &to else { return wiring.reply(to, answer) };
        let is_piece = matches!(answer, Reply::Report(_));
        match wiring.try_to_reply(key, correlation, &answer).await {
            Err(PublishError::TooLarge(_)) if is_piece && bytes > report::CHUNK_BYTES_MIN => bytes /= 2,
            Err(PublishError::TooLarge(_)) => return wiring.reply_remotely(key, correlation, &answer).await,
            Err(error) => return tracing::warn!(%error, "A piece of a report cannot be sent."),
            Ok(()) => return,
        }
    }
}

async fn take(message: &Message, wiring: &Arc<Wiring>) -> Result<(), Reason> {
    if message.kind == kind::PRESENCE {
        message.expect(kind::PRESENCE)?;
        let presence: Presence = message.parse()?;
        wiring.tell(Arrived::Presence(Box::new(presence))).await;
        return Ok(());
    }
    message.expect(kind::REQUEST)?;
    let request: Request = message.parse()?;
    if let Request::Claim { session, answers } = request {
        wiring.hear_claim(session, answers.as_deref()).await;
        return Ok(());
    }
    let Some(key) = message.reply_to.clone() else { return Ok(()) };
    if !topology::is_reply_key(&key) {
        return Err(Reason::Header { name: "reply_to".to_owned(), detail: format!("{key:?} is not a reply key") });
    }
    answer_to(request, ReplyTo::Remote { key: key.to_string(), correlation: message.id.to_string() }, wiring).await;
    Ok(())
}

async fn answer_to(request: Request, reply: ReplyTo, wiring: &Arc<Wiring>) {
    match request {
        Request::Open(_) if matches!(wiring.kind, Kind::Command { .. }) => {
            let reason = format!("{} is the owner of one command, which takes no other jobs", wiring.owner());
            wiring.reply(reply, Reply::Refused { reason });
        }
        Request::Open(request) if request.report.is_some() && !wiring.writes_reports() => {
            let reason = format!("reducer {} writes no reports: start it with --output-dir DIR", wiring.owner());
            wiring.reply(reply, Reply::Refused { reason });
        }
        Request::Open(request) => wiring.open(request, reply),
        Request::Status { job } => wiring.tell(Event::Status { job, reply }).await,
        Request::Cancel { job, opening } => {
            wiring.tell(Event::Cancel { job, opening: Some(opening), reply }).await;
        }
        Request::ForgetJob { job, opening } => {
            wiring.tell(Event::ForgetJob { job, opening: Some(opening), reply: Some(reply) }).await;
        }
        Request::Explain { job, number } => wiring.tell(Arrived::Explain { job, number, reply }).await,
        // A command writes its report as it goes, so it cannot take back the lines of a failed
        // task.
        Request::Replay { .. } if matches!(wiring.kind, Kind::Command { .. }) => {}
        Request::Replay { filter, openings } => {
            wiring.tell(Arrived::Replay { filter, openings: Some(openings), reply }).await;
        }
        Request::Forget { filter, openings } => {
            wiring.tell(Arrived::Forget { filter, openings: Some(openings), reply }).await;
        }
        Request::Dead { filter } => look(wiring, reply, move |store| Reader::open(store)?.dead(filter.as_deref())),
        Request::DeadTask { task } => look(wiring, reply, move |store| {
            let detail = Reader::open(store)?.dead_task(&task)?;
            Ok(detail.map_or(Reply::UnknownJob, |detail| Reply::DeadTask(Box::new(detail))))
        }),
        Request::Updates { job, opening, after } => {
            wiring.tell(Arrived::Updates { job, opening, after, reply }).await;
        }
        Request::Jobs => wiring.tell(Arrived::Jobs { reply }).await,
        Request::Ping => {
            let (owner, session) = (wiring.owner().clone(), Some(wiring.name.session.clone()));
            wiring.reply(reply, Reply::Pong { owner, session });
        }
        // Handled above.
        Request::Claim { .. } => {}
        Request::Report { job, opening, of, from } => {
            tokio::spawn(report(Arc::clone(wiring), reply, move |store, bytes| {
                match report::chunk(store, &job, &opening, of, from, bytes) {
                    Ok(chunk) => Reply::Report(chunk),
                    Err(report::ReportError::UnknownJob(_)) => Reply::UnknownJob,
                    Err(error) => Reply::Refused { reason: error.to_string() },
                }
            }));
        }
    }
}
