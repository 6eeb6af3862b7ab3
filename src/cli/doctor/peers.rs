//! Owners and consumers that answer now, their versions and their clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use shared::protocol::definitions::Role;
use shared::protocol::id::{Class, JobId};
use shared::protocol::message::{Message, Presence, Reply, Request, RootState, kind};
use shared::protocol::topology::{self, Binding, CONTROL, Queue};
use shared::protocol::workload::Workload;
use shared::system::clock::Clock;
use shared::system::random;
use shared::transport::{Incoming, Subscribe, Subscription, Transport, TransportError};
use tokio::time::{Instant, timeout_at};

use super::Scope;
use super::finding::Finding;

/// How long owners and consumers have to answer; enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// Limit in seconds: a larger difference of clocks makes times in reports and logs wrong. Messages
/// carry whole seconds.
const SECONDS_APART_MAX: i64 = 5;

/// An owner or a consumer that has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// `owner main`, `consumer on HOST`.
    pub(super) shown: String,
    pub(super) is_owner: bool,
    pub(super) version: String,
    /// Seconds that its clock is ahead of ours.
    pub(super) ahead: i64,
    pub(super) serves: Vec<(Workload, Class)>,
    /// The file systems of its roots.
    pub(super) roots: Vec<RootState>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// By id.
    pub(super) peers: BTreeMap<String, Peer>,
    /// Whether this user may ask owners, and whether it may ask consumers.
    pub(super) asked: (bool, bool),
    /// Why some answers could not be read.
    pub(super) unreadable: BTreeSet<String>,
}

impl Heard {
    pub(super) fn served(&self) -> BTreeSet<(Workload, Class)> {
        self.peers.values().flat_map(|peer| peer.serves.iter().cloned()).collect()
    }

    fn take(&mut self, message: &Message, now: SystemTime) {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let ahead = message.timestamp.cast_signed().saturating_sub(now.cast_signed());
        let read = if message.kind == kind::PRESENCE {
            message.expect(kind::PRESENCE).and_then(|()| message.parse::<Presence>()).map(|presence| {
                let Presence { consumer, host, version, lanes, roots, .. } = presence;
                let serves = lanes.into_iter().map(|lane| (lane.workload, lane.class)).collect();
                let shown = format!("consumer on {host}");
                (consumer.to_string(), Peer { shown, is_owner: false, version, ahead, serves, roots })
            })
        } else {
            message.expect(kind::REPLY).and_then(|()| message.parse::<Reply>()).map(|reply| {
                let name = if let Reply::Pong { owner, .. } = &reply { owner.as_str() } else { "of another kind" };
                let version = message.app_id.rsplit('/').next().unwrap_or_default().to_owned();
                let shown = shown_owner(name);
                (shown.clone(), Peer { shown, is_owner: true, version, ahead, serves: Vec::new(), roots: Vec::new() })
            })
        };
        match read {
            Ok((id, peer)) => drop(self.peers.insert(id, peer)),
            Err(reason) => drop(self.unreadable.insert(reason.to_string())),
        }
    }
}

fn shown_owner(name: &str) -> String {
    format!("owner {name}")
}

/// Asks all owners and consumers, and collects their answers.
pub(super) async fn hear(scope: &Scope, transport: &Arc<dyn Transport>) -> Result<Heard, TransportError> {
    let mut heard = Heard::default();
    // Without a queue for answers nothing is asked, and nothing is left at the broker.
    let Some((mut answers, key)) = listen(scope, transport).await? else { return Ok(heard) };
    let clock = Clock::start();
    let mut request = Message::json(kind::REQUEST, random::token(), &Request::Ping, clock.system());
    request.reply_to = Some(key.into());
    let ask = |key| transport.publish(CONTROL, key, request.clone());
    heard.asked = (ask(topology::ALL_OWNERS).await.is_ok(), ask(topology::ALL_CONSUMERS).await.is_ok());
    let deadline = Instant::now() + PATIENCE;
    while let Ok(incoming) = timeout_at(deadline, answers.next()).await {
        if let Incoming::Delivery(delivery) = incoming? {
            heard.take(&delivery.message, clock.system());
            delivery.acker.ack().await;
        }
    }
    Ok(heard)
}

/// Subscribes to a queue for answers, with as many bindings as this user may have. Gives the
/// routing key for replies with it.
async fn listen(
    scope: &Scope,
    transport: &Arc<dyn Transport>,
) -> Result<Option<(Box<dyn Subscription>, String)>, TransportError> {
    let name = JobId::from_name(random::token().as_bytes());
    let (replies, reply) = topology::replies(&name);
    let presence =
        Binding { queue: replies.name.clone(), exchange: CONTROL.to_owned(), key: topology::PRESENCE.into() };
    let both: Vec<Binding> = reply.iter().cloned().chain([presence]).collect();
    let (control, commands) = topology::owner_control(&scope.command);
    let tries: [(Queue, Vec<Binding>); 3] = [(replies.clone(), both), (control, commands), (replies, reply)];
    for (queue, bindings) in tries {
        match transport.subscribe(Subscribe { queue, bindings, prefetch: 64 }).await {
            Ok(subscription) => return Ok(Some((subscription, topology::reply_key(&name)))),
            Err(TransportError::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

pub(super) fn judge(scope: &Scope, heard: &Heard) -> Vec<Finding> {
    let mut findings = vec![owners(scope, heard), consumers(scope, heard)];
    findings.extend(roots(heard));
    let shown = |peers: &mut dyn Iterator<Item = String>| peers.collect::<Vec<_>>().join(", ");
    let ours = env!("CARGO_PKG_VERSION");
    let all: BTreeSet<&str> = heard.peers.values().map(|peer| peer.version.as_str()).chain([ours]).collect();
    if all.len() > 1 {
        let each = shown(&mut heard.peers.values().map(|peer| format!("{} has {}", peer.shown, peer.version)));
        let remedy = "bring all of them to one version; work goes on as long as their versions are compatible";
        findings.push(Finding::warn("versions", format!("this command has {ours}, {each}"), remedy));
    }
    let apart: Vec<&Peer> = heard.peers.values().filter(|peer| peer.ahead.abs() > SECONDS_APART_MAX).collect();
    if !apart.is_empty() {
        let of = |peer: &&Peer| {
            let side = if peer.ahead > 0 { "ahead of" } else { "behind" };
            format!("{} is {} s {side} this machine", peer.shown, peer.ahead.abs())
        };
        let what = format!("clocks differ: {}", shown(&mut apart.iter().map(of)));
        findings.push(Finding::warn("clock", what, "set the clocks (chrony, systemd-timesyncd)"));
    } else if !heard.peers.is_empty() {
        findings.push(Finding::ok(
            "clock",
            "the clocks of all that answer agree with this machine's; the broker's cannot be read",
        ));
    }
    if !heard.unreadable.is_empty() {
        let what = format!("some answers cannot be read: {}", shown(&mut heard.unreadable.iter().cloned()));
        let remedy = "give all of them the same keys (--key-file), and compatible versions";
        findings.push(Finding::warn("answers", what, remedy));
    }
    findings
}

fn owners(scope: &Scope, heard: &Heard) -> Finding {
    let named: Vec<String> = heard.peers.values().filter(|peer| peer.is_owner).map(with_version).collect();
    if !heard.asked.0 {
        Finding::ok("owners", "not asked: this user may not send the request")
    } else if scope.has(Role::Producer) && !heard.peers.contains_key(&shown_owner(scope.owner.as_str())) {
        let others = if named.is_empty() { String::new() } else { format!(", only {}", named.join(", ")) };
        let what = format!("no reducer {} answers{others}; jobs of its producers wait for it", scope.owner);
        let remedy =
            "start it: packhorse reducer --broker URL --owner NAME (a reducer with other keys does not answer)";
        Finding::warn("owners", what, remedy)
    } else if !named.is_empty() {
        Finding::ok("owners", format!("{} answers", named.join(", ")))
    } else {
        Finding::ok("owners", "no reducer answers")
    }
}

fn consumers(scope: &Scope, heard: &Heard) -> Finding {
    let named: Vec<String> = heard.peers.values().filter(|peer| !peer.is_owner).map(with_version).collect();
    if !heard.asked.1 {
        return Finding::ok("consumers", "not asked: this user may not send the request");
    }
    let sends = scope.roles.iter().any(|&role| role != Role::Consumer);
    if named.is_empty() && sends {
        let remedy = "start one: packhorse consumer --broker URL --root NAME=DIR";
        return Finding::warn("consumers", "no consumer answers, and tasks wait for one", remedy);
    }
    let served = heard.served();
    let unserved: Vec<String> = scope
        .roots
        .iter()
        .zip(scope.classes())
        .filter(|(_, class)| {
            !served.iter().any(|(workload, of)| workload.descriptor().classes.are_of_roots() && of == class)
        })
        .map(|((name, _), _)| name.clone())
        .collect();
    if !unserved.is_empty() && sends {
        let what = format!("{} consumers answer, and none serves root {}", named.len(), unserved.join(", "));
        let remedy =
            format!("start one where the files are: packhorse consumer --broker URL --root {}=DIR", unserved[0]);
        return Finding::warn("consumers", what, remedy);
    }
    let what =
        if named.is_empty() { "no consumer answers".to_owned() } else { format!("{} answers", named.join(", ")) };
    Finding::ok("consumers", what)
}

/// Roots that differ between machines: a file system may not be mounted on one, or may be another
/// one.
fn roots(heard: &Heard) -> Vec<Finding> {
    let mut by_name: BTreeMap<&str, Vec<(&Peer, &RootState)>> = BTreeMap::new();
    for peer in heard.peers.values() {
        peer.roots.iter().for_each(|root| by_name.entry(&root.name).or_default().push((peer, root)));
    }
    // Each machine has its own names for its disks.
    let source = |root: &RootState| Some(root.source.clone()).filter(|source| !source.starts_with("/dev/"));
    let kind = |root: &RootState| (root.system.clone(), source(root), root.is_empty);
    let differs = |all: &[(&Peer, &RootState)]| all.iter().any(|(_, root)| kind(root) != kind(all[0].1));
    let told = |(name, all): (&str, Vec<(&Peer, &RootState)>)| {
        let each: Vec<String> = all.iter().map(|(peer, root)| format!("{} has it {root}", peer.shown)).collect();
        let remedy = "mount the same tree on each machine; a file that one consumer lacks is tried on one other only";
        Finding::warn("roots", format!("root {name} is not the same everywhere: {}", each.join(", ")), remedy)
    };
    by_name.into_iter().filter(|(_, all)| differs(all)).map(told).collect()
}

fn with_version(peer: &Peer) -> String {
    let classes: BTreeSet<&str> = peer.serves.iter().map(|(_, class)| class.as_str()).collect();
    let serves = classes.into_iter().collect::<Vec<_>>().join(" ");
    let serves = if serves.is_empty() { String::new() } else { format!(", serves {serves}") };
    format!("{} ({}{serves})", peer.shown, peer.version)
}

#[cfg(test)]
mod tests {
    use shared::protocol::id::{ConsumerId, OwnerId};
    use shared::protocol::message::LaneState;
    use shared::protocol::payload::Payload;
    use shared::protocol::workload::files::Root;

    use super::super::finding::Level;
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn consumer(version: &str, sent: u64) -> Message {
        let body = Presence {
            consumer: ConsumerId::from_name(b"c"),
            host: "h".to_owned(),
            version: version.to_owned(),
            lanes: vec![LaneState { workload: Workload::Digest, class: Root::class_of("t"), slots: 1, busy: 0 }],
            holds: Vec::new(),
            heartbeat_millis: 1_000,
            leaving: false,
            roots: Vec::new(),
            troubles: Vec::new(),
        };
        Message::json(kind::PRESENCE, "1".to_owned(), &body, at(sent))
    }

    fn rooted(name: &str, system: &str, source: &str, is_empty: bool) -> Message {
        let (system, source) = (system.to_owned(), source.to_owned());
        let mut message = consumer(env!("CARGO_PKG_VERSION"), NOW);
        let mut body: Presence = message.parse().expect("a presence");
        body.consumer = ConsumerId::from_name(name.as_bytes());
        body.roots = vec![RootState { name: "t".to_owned(), system, source, is_empty }];
        message.body = serde_json::to_vec(&body).expect("JSON").into();
        message
    }

    #[test]
    fn roots_that_are_not_the_same_are_told() {
        let judged = |one: Message, other: Message| troubles(&[Role::Consumer], &[], &[one, other]);
        let nothing: [&str; 0] = [];
        let nas = |name| rooted(name, "nfs4", "nas:/export", false);
        assert_eq!(judged(nas("a"), nas("b")), nothing);
        assert_eq!(judged(nas("a"), rooted("b", "nfs4", "nas:/other", false)), ["roots"]);
        assert_eq!(judged(nas("a"), rooted("b", "ext4", "/dev/sda1", false)), ["roots"]);
        assert_eq!(judged(nas("a"), rooted("b", "nfs4", "nas:/export", true)), ["roots"]);
        let disk = |name, device| rooted(name, "ext4", device, false);
        assert_eq!(judged(disk("a", "/dev/sda1"), disk("b", "/dev/nvme0n1p2")), nothing);
    }

    fn owner() -> Message {
        let body = Reply::Pong { owner: OwnerId::from_name(b"main"), session: None };
        Message::json(kind::REPLY, "2".to_owned(), &body, at(NOW))
    }

    /// The subjects of all findings that are not ok, if these messages arrive.
    fn troubles(roles: &[Role], roots: &[&str], messages: &[Message]) -> Vec<String> {
        let mut heard = Heard { asked: (true, true), ..Heard::default() };
        messages.iter().for_each(|message| heard.take(message, at(NOW)));
        let findings = judge(&Scope::of(roles, roots), &heard);
        findings.into_iter().filter(|one| one.level != Level::Ok).map(|one| one.subject).collect()
    }

    #[test]
    fn who_answers_is_judged_by_what_the_roles_need() {
        let ours = env!("CARGO_PKG_VERSION");
        let all = [Role::Producer, Role::Consumer, Role::Reducer];
        let nothing: [&str; 0] = [];
        assert_eq!(troubles(&all, &["t"], &[owner(), consumer(ours, NOW)]), nothing);
        assert_eq!(troubles(&all, &["t"], &[consumer(ours, NOW)]), ["owners"]);
        assert_eq!(troubles(&all, &["t"], &[owner()]), ["consumers"]);
        assert_eq!(troubles(&all, &["other"], &[owner(), consumer(ours, NOW)]), ["consumers"]);
        assert_eq!(troubles(&[Role::Consumer], &["t"], &[]), nothing);
    }

    #[test]
    fn versions_clocks_and_what_cannot_be_read_are_told() {
        let ours = env!("CARGO_PKG_VERSION");
        let all = [Role::Reducer];
        let nothing: [&str; 0] = [];
        assert_eq!(troubles(&all, &[], &[consumer("0.0.1", NOW)]), ["versions"]);
        assert_eq!(troubles(&all, &[], &[consumer(ours, NOW - 6)]), ["clock"]);
        assert_eq!(troubles(&all, &[], &[consumer(ours, NOW + 6)]), ["clock"]);
        assert_eq!(troubles(&all, &[], &[consumer(ours, NOW - 5)]), nothing);
        let broken = Message::new(kind::PRESENCE, "3".to_owned(), Payload::json("{}"), at(NOW));
        assert_eq!(troubles(&all, &[], &[consumer(ours, NOW), broken]), ["answers"]);
    }
}
