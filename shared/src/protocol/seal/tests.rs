//! Which messages open, which do not, and what a sealed message shows in clear.

use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::protocol::id::{Class, JobId, OpeningId, OwnerId, PlanHash, TaskId};
use crate::protocol::message::{Address, DeadLetter, Task};
use crate::protocol::payload::Payload;
use crate::protocol::reason::Reason;
use crate::protocol::workload::Workload;

const ROUTING_KEY: &str = "digest.photos.main";

fn keys(text: &str) -> Keyring {
    text.parse().expect("keys")
}

fn fresh() -> (String, Keyring) {
    let line = Key::generate().to_line();
    let keyring = keys(&line);
    (line, keyring)
}

fn task(job: &[u8]) -> Message {
    let task = TaskId { job: JobId::from_name(job), number: 7 };
    let (owner, opening) = (OwnerId::from_name(b"main"), OpeningId::from_name(b"o"));
    let address = Address { task, opening, plan: PlanHash::start(), attempt: 2, owner, workload: Workload::Digest };
    let body = Payload::json(r#"{"files":"name-of-a-file"}"#);
    Task { address, class: Class::from_name(b"photos"), planned_at: None, avoid: Vec::new(), body }
        .to_message(SystemTime::UNIX_EPOCH)
}

/// Everything of a message but its body.
fn envelope(message: &Message) -> String {
    format!("{:?}", Message { body: bytes::Bytes::new(), ..message.clone() })
}

#[test]
fn what_is_sealed_opens_as_it_was_and_shows_neither_body_nor_headers() {
    let (_, keyring) = fresh();
    let message =
        task(b"j").with_text("reason", "path \"name-of-a-file\"").with_text("x-first-death-reason", "rejected");
    let sealed = keyring.seal(ROUTING_KEY, message.clone());
    let shown = format!("{}{}", envelope(&sealed), String::from_utf8_lossy(&sealed.body));
    for hidden in ["name-of-a-file", "attempt", "opening", "workload", "application/json"] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
    for shown_on_purpose in ["j.7", "task", "rejected"] {
        assert!(envelope(&sealed).contains(shown_on_purpose), "{shown_on_purpose}: {shown}");
    }
    assert_ne!(sealed.body, keyring.seal(ROUTING_KEY, message.clone()).body, "a nonce was used twice");
    assert_eq!(*keyring.open(ROUTING_KEY, sealed), message);
}

/// Changes each part of a message that a role acts on.
#[test]
fn whatever_is_changed_breaks_the_seal() {
    let (_, keyring) = fresh();
    let sealed = || keyring.seal(ROUTING_KEY, Message { reply_to: Some("reply.a".into()), ..task(b"j") });
    let body = |at: usize| {
        let mut body = sealed().body.to_vec();
        body[at] ^= 1;
        Message { body: body.into(), ..sealed() }
    };
    let last = sealed().body.len() - 1;
    let changed = [
        ("id", Message { id: "j.8".into(), ..sealed() }),
        ("job", Message { correlation: Some("k".into()), ..sealed() }),
        ("no job", Message { correlation: None, ..sealed() }),
        ("type", Message { kind: "outcome".into(), ..sealed() }),
        ("reply_to", Message { reply_to: Some("reply.b".into()), ..sealed() }),
        ("nonce", body(0)),
        ("headers", body(40)),
        ("tag", body(last)),
        ("cut", Message { body: sealed().body.slice(..last), ..sealed() }),
        ("short", Message { body: sealed().body.slice(..10), ..sealed() }),
        ("empty", Message { body: bytes::Bytes::new(), ..sealed() }),
        ("another job's", Message { body: keyring.seal(ROUTING_KEY, task(b"k")).body, ..sealed() }),
    ];
    for (what, message) in changed {
        let opened = keyring.open(ROUTING_KEY, message);
        assert_eq!(opened.untrusted, Some(Untrusted::Broken), "{what}");
        assert!(Task::from_message(&opened).is_err(), "{what}");
    }
    assert_eq!(keyring.open("digest.photos.other", sealed()).untrusted, Some(Untrusted::Broken), "routing key");
    assert_eq!(keyring.open(ROUTING_KEY, sealed()).untrusted, None);
}

#[test]
fn headers_that_are_put_on_a_sealed_message_are_not_acted_on() {
    let (_, keyring) = fresh();
    let sealed = keyring.seal(ROUTING_KEY, task(b"j")).with_integer("attempt", 9).with_text("store", "t");
    assert_eq!(*keyring.open(ROUTING_KEY, sealed.with_integer("more", 1)), task(b"j"));
}

#[test]
fn the_first_key_seals_and_all_open() {
    let ((old, old_ring), (new, new_ring)) = (fresh(), fresh());
    let both = keys(&format!("# keys\n\n{new}{old}"));
    for sealing in [&old_ring, &both] {
        assert_eq!(*both.open("k", sealing.seal("k", task(b"j"))), task(b"j"));
    }
    assert_eq!(*new_ring.open("k", both.seal("k", task(b"j"))), task(b"j"));
    let id = both.seal("k", task(b"j")).text("key").expect("a key's id").to_owned();
    assert_eq!(
        old_ring.open("k", both.seal("k", task(b"j"))).untrusted,
        Some(Untrusted::UnknownKey { key: id.clone() })
    );
    assert_eq!(Keyring::default().open("k", both.seal("k", task(b"j"))).untrusted, Some(Untrusted::NoKey { key: id }));
    assert_eq!(both.open("k", task(b"j")).untrusted, Some(Untrusted::Clear));
    // A key's id only selects the key to try.
    let secret = old.split_once(' ').expect("a key").1;
    let liar = keys(&format!("{} {secret}", new.split_once(' ').expect("a key").0));
    assert_eq!(both.open("k", liar.seal("k", task(b"j"))).untrusted, Some(Untrusted::Broken));
    assert_eq!(*Keyring::default().open("k", Keyring::default().seal("k", task(b"j"))), task(b"j"));
}

/// A consumer without the key gives a task back to its owner, who has the key. A forged message
/// stays forged when a role passes it on.
#[test]
fn a_refused_message_goes_on_as_it_came() {
    let ((_, ours), (_, theirs)) = (fresh(), fresh());
    let owner = OwnerId::from_name(b"main");
    for sender in [&ours, &theirs] {
        let met = Keyring::default().open(ROUTING_KEY, sender.seal(ROUTING_KEY, task(b"j")));
        let reason = Task::from_message(&met).expect_err("it is sealed");
        assert!(
            matches!(reason, Reason::Seal { why: Untrusted::NoKey { .. } }) && !reason.delay().is_zero(),
            "{reason}"
        );
        let dead_letter = theirs.seal(ROUTING_KEY, DeadLetter::wrap(met, &reason, "h"));
        let read = DeadLetter::read(&ours.open(ROUTING_KEY, dead_letter), &owner);
        let is_ours = std::ptr::eq(sender, &ours);
        assert_eq!(read.map(|dead_letter| dead_letter.reason), is_ours.then(|| reason.to_string()));
    }
}

#[test]
fn files_of_keys_are_told_without_their_secrets() {
    let line = Key::generate().to_line();
    let (id, secret) = line.trim().split_once(' ').expect("a key");
    for (text, told) in [
        (format!("{line}{id}"), "line 2 is no key"),
        (format!("a/b {secret}"), "line 1 is no key"),
        (format!("{id} {}", &secret[4..]), "line 1 is no key"),
        (format!("{line}{line}"), "two keys have the id"),
        ("# none\n".to_owned(), "it holds no key"),
    ] {
        let error = text.parse::<Keyring>().expect_err("no keys").to_string();
        assert!(error.contains(told) && !error.contains(&secret[4..12]), "{text:?}: {error}");
    }
    let shown = format!("{:?}", keys(&line));
    assert!(shown.contains(id) && !shown.contains(&secret[..8]), "{shown}");
}

proptest! {
    #[test]
    fn nothing_that_comes_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), key in ".{0,8}") {
        let (line, keyring) = fresh();
        let id = line.split_once(' ').expect("a key").0.to_owned();
        let message = Message { content_type: SEALED.into(), body: body.into(), ..Message::default() };
        prop_assert_eq!(keyring.open(&key, message.with_text("key", id)).untrusted.clone(), Some(Untrusted::Broken));
    }
}
