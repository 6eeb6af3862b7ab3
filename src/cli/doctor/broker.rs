//! The checks at the broker, in an order in which none disturbs the next.

use std::time::Duration;

use shared::protocol::definitions::Role;
use shared::protocol::id::{ConsumerId, JobId, OwnerId};
use shared::protocol::seal::Keyring;
use shared::protocol::topology::{self, Queue};
use shared::system::random;
use shared::transport::rabbitmq::probe::{self, Probe, Reach, Refusal, Treatment};
use shared::transport::{BrokerUrl, TransportError, connect};
use tokio::time::timeout;

use super::finding::{Finding, Level};
use super::layout::{self, Part, Standing};
use super::peers::{self, Heard};
use super::rights::{self, Need};
use super::{Scope, policies, server};

/// Time limit for asking all owners and consumers; longer than the time that they have to answer.
const HEAR: Duration = Duration::from_secs(15);

/// Time limit for watching what policies do.
const TREAT: Duration = Duration::from_secs(20);

/// An exchange that every virtual host has.
const BUILT_IN: &str = "amq.topic";

/// Checks the broker, as far as the connection gets.
pub(super) async fn examine(scope: &Scope, url: &BrokerUrl, keys: Option<Keyring>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match probe::reach(url).await {
        // With TLS, the connection below gives a better reason for a failure.
        Ok(Reach::NoGreeting { .. }) if url.is_tls() => {}
        Ok(reach) => {
            findings.push(server::reached(&reach));
            if !matches!(reach, Reach::Greeted(_)) {
                return findings;
            }
        }
        Err(error) => return vec![server::refused(&error)],
    }
    findings.push(server::ack_timeout(scope.ack_timeout));
    let first = match Probe::connect(url, scope.patience).await {
        Ok(probe) => probe,
        Err(error) => {
            findings.push(server::refused(&error));
            return findings;
        }
    };
    let agreed = server::agreed(scope, first.limits());
    let is_short = agreed.level == Level::Fail;
    findings.push(agreed);
    let publishing = publish(scope, url, first, &mut findings).await;
    // The two checks below take some seconds each, and run at the same time if there is room for
    // both.
    let seen = async {
        let has_room = publishing == Publishing::Taken && !is_short;
        if has_room { Some(treatments(scope, url).await) } else { None }
    };
    let asked = async {
        let is_blocked = publishing == Publishing::Blocked;
        let heard = match keys {
            Some(keys) if !is_blocked => {
                let mut told = Vec::new();
                let heard = hear(scope, url.clone().with_keys(keys), &mut told).await;
                // Failures that follow from too few channels are reported above.
                findings.extend(told.into_iter().filter(|finding| !(is_short && finding.level == Level::Fail)));
                heard
            }
            _ => Heard::default(),
        };
        match Probe::connect(url, scope.patience).await {
            Ok(probe) => {
                ask(scope, &probe, is_blocked, &heard, &mut findings).await;
                probe.close().await;
            }
            Err(error) => findings.push(server::refused(&error)),
        }
    };
    let (seen, ()) = tokio::join!(seen, asked);
    findings.extend(seen.map(|seen| policies::judge(url.vhost(), &seen)));
    findings
}

/// Whether the broker takes messages on as many connections as a role has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publishing {
    Taken,
    /// The broker refused one of the connections.
    Full,
    /// The broker takes no messages now.
    Blocked,
}

/// Observes what policies do to queues named like ours.
async fn treatments(scope: &Scope, url: &BrokerUrl) -> Result<Vec<(Queue, Treatment)>, Refusal> {
    let other = |error: TransportError| Refusal::Other(error.to_string());
    let probe = Probe::connect(url, scope.patience).await.map_err(other)?;
    let queues = topology::lookalikes();
    let token = JobId::from_name(random::token().as_bytes());
    let (exchange, ears) = (topology::probe(&token), topology::replies(&token).0.name);
    let looked = timeout(TREAT, probe.treatments(&exchange, &ears, &queues));
    let seen = looked.await.unwrap_or_else(|_| Err(Refusal::Other(format!("no answer within {} s", TREAT.as_secs()))));
    probe.close().await;
    Ok(queues.into_iter().zip(seen?).collect())
}

/// Opens as many connections as a role has and publishes on the last of them, to see whether the
/// broker has an alarm and how large messages may be.
async fn publish(scope: &Scope, url: &BrokerUrl, first: Probe, findings: &mut Vec<Finding>) -> Publishing {
    let mut more = Vec::new();
    let mut tried = Vec::new();
    while more.len() + 1 < server::CONNECTIONS && tried.iter().all(Result::is_ok) {
        match Probe::connect(url, scope.patience).await {
            Ok(probe) => {
                more.push(probe);
                tried.push(Ok(()));
            }
            Err(error) => tried.push(Err(error)),
        }
    }
    findings.push(server::connected(scope, &tried));
    let publisher = more.last().unwrap_or(&first);
    let taken = try_publishing(scope, publisher).await;
    findings.push(server::alarm(taken.as_ref().map(|(_, answer)| answer)));
    let is_blocked = matches!(&taken, Some((_, Err(_))));
    if let Some(((exchange, key), Ok(()))) = &taken {
        findings.push(server::size(&publisher.publish(exchange, key, server::MESSAGE_BYTES).await));
    }
    for probe in more.into_iter().chain([first]) {
        probe.close().await;
    }
    match (is_blocked, tried.iter().all(Result::is_ok)) {
        (true, _) => Publishing::Blocked,
        (false, true) => Publishing::Taken,
        (false, false) => Publishing::Full,
    }
}

type Address = (String, String);

/// Publishes the first message that this user may send. Gives its exchange and key, and the
/// broker's answer.
async fn try_publishing(scope: &Scope, probe: &Probe) -> Option<(Address, Result<(), Refusal>)> {
    let needs = scope.roles.iter().flat_map(|&role| rights::needs(scope, role));
    let of_roles = needs.filter_map(|need| match need {
        Need::Publish(exchange, key) => Some((exchange.to_owned(), key)),
        _ => None,
    });
    for (exchange, key) in of_roles.chain([(BUILT_IN.to_owned(), random::token())]) {
        match probe.publish(&exchange, &key, 1).await {
            Err(Refusal::Forbidden(_) | Refusal::Missing) => {}
            answer => return Some(((exchange, key), answer)),
        }
    }
    None
}

async fn hear(scope: &Scope, url: BrokerUrl, findings: &mut Vec<Finding>) -> Heard {
    let heard = async {
        let transport = connect(&url, Some(scope.patience)).await?;
        let heard = timeout(HEAR, peers::hear(scope, &transport)).await;
        transport.close().await;
        let cause = || format!("no answer within {} s", HEAR.as_secs());
        heard.unwrap_or_else(|_| {
            Err(TransportError::Other { action: "asking owners and consumers".into(), cause: cause() })
        })
    };
    match heard.await {
        Ok(heard) => {
            findings.extend(peers::judge(scope, &heard));
            heard
        }
        // The exchange is not declared yet, so no owner and no consumer is there.
        Err(TransportError::Other { cause, .. }) if cause.contains("NOT_FOUND") => {
            let heard = Heard { asked: (true, true), ..Heard::default() };
            findings.extend(peers::judge(scope, &heard));
            heard
        }
        Err(error) => {
            findings.push(server::refused(&error));
            Heard::default()
        }
    }
}

/// Checks permissions, exchanges and queues.
async fn ask(scope: &Scope, probe: &Probe, is_blocked: bool, heard: &Heard, findings: &mut Vec<Finding>) {
    findings.push(features(scope, probe).await);
    for &role in &scope.roles {
        let mut answers = Vec::new();
        for need in rights::needs(scope, role) {
            let answer = match &need {
                Need::Publish(..) if is_blocked => continue,
                Need::Publish(exchange, key) => probe.publish(exchange, key, 1).await,
                Need::Own(queue, bindings) => probe.may_own(queue, bindings).await,
                Need::Declare(queue) => probe.may_declare_queue(queue).await,
                Need::Consume { queue, like } => match probe.may_consume(like).await {
                    Err(Refusal::Forbidden(_)) if like != queue => probe.may_consume(queue).await,
                    answer => answer,
                },
            };
            answers.push((need, answer));
        }
        findings.push(rights::judge(scope, role, &answers));
    }
    let mut standings = Vec::new();
    for part in layout::parts(scope, &heard.served()) {
        let standing = look(probe, &part).await;
        standings.push((part, standing));
    }
    let holds = |(part, standing): &(Part, Standing)| match (part, standing) {
        (Part::Queue(queue), Standing::Found(found)) => queue.name == topology::DEAD_QUEUE && found.ready > 0,
        _ => false,
    };
    // A user who may not read the dead letters gets the finding without their reasons.
    let deaths = if standings.iter().any(holds) { probe.deaths(topology::DEAD_QUEUE).await.ok() } else { None };
    findings.extend(layout::judge(scope, &standings, &deaths.unwrap_or_default()));
}

async fn look(probe: &Probe, part: &Part) -> Standing {
    let found = match part {
        Part::Exchange(exchange) => probe.exchange(exchange).await,
        Part::Queue(queue) => probe.queue(queue).await,
    };
    match (found, part) {
        (Ok(found), _) => Standing::Found(found),
        (Err(Refusal::Missing), Part::Exchange(exchange)) => {
            Standing::Missing(probe.may_declare_exchange(&exchange.name).await)
        }
        (Err(Refusal::Missing), Part::Queue(queue)) => Standing::Missing(probe.may_declare_queue(&queue.name).await),
        (Err(refusal), _) => Standing::Unclear(refusal),
    }
}

/// Checks whether the broker makes a queue like a reducer's, under a name that this user may use.
/// The name is always the same, because a broker never forgets a name.
async fn features(scope: &Scope, probe: &Probe) -> Finding {
    // In the form of a command's id: the permissions of submitters depend on that form.
    let command = OwnerId::from_name(format!("{}-doctor0000000000", scope.user).as_bytes());
    let names = [
        (Role::Reducer, topology::replies(&JobId::from_name(b"doctor")).0.name),
        (Role::Consumer, topology::consumer_control(&ConsumerId::from_name(b"doctor")).0.name),
        (Role::Submitter, topology::command_owner(&command).0.name),
        (Role::Producer, topology::replies(&JobId::from_name(b"doctor")).0.name),
    ];
    let whole = topology::service_owner(&scope.owner).0;
    for has_dead_letters in [true, false] {
        for (_, name) in names.iter().filter(|(role, _)| scope.has(*role)) {
            let dead_letter = whole.dead_letter.clone().filter(|_| has_dead_letters);
            match probe.makes(&Queue { name: name.clone(), dead_letter, ..whole.clone() }).await {
                Err(Refusal::Forbidden(_)) => {}
                answer => return server::features(Some((&answer, has_dead_letters))),
            }
        }
    }
    server::features(None)
}
