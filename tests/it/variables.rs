//! URLs of brokers and variables of the environment: what is empty, what is no text, and what could be read in two
//! ways.

use std::ffi::OsStr;

use crate::broker;
use crate::cluster::Cluster;
use crate::world::{CONSUMER, PACKHORSE, REDUCER, World, assert_same, os};

/// Every variable that names a file or directory.
const PATHS: [&str; 9] = [
    "PACKHORSE_BROKER_FILE",
    "AMQP_URL_FILE",
    "PACKHORSE_TLS_CA",
    "PACKHORSE_TLS_CERT",
    "PACKHORSE_TLS_KEY",
    "PACKHORSE_KEY_FILE",
    "PACKHORSE_HEALTH_FILE",
    "XDG_STATE_HOME",
    "TMPDIR",
];

/// Every variable that holds text.
const TEXTS: [&str; 5] = ["PACKHORSE_BROKER", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL", "PACKHORSE_LOG"];

/// Text but for one byte.
const NO_TEXT: &[u8] = b"amqp://u:s3cret\xff@127.0.0.1:1/v";

#[test]
fn a_variable_that_is_no_text_is_an_error_and_nothing_is_done() {
    let world = World::new();
    world.file("t/a", "a");
    for (variable, program, args) in [
        ("PACKHORSE_BROKER", PACKHORSE, &["sha1", "t"][..]),
        ("PACKHORSE_BROKER", PACKHORSE, &["words", "t"]),
        ("PACKHORSE_BROKER", PACKHORSE, &["jobs"]),
        ("PACKHORSE_BROKER", PACKHORSE, &["doctor"]),
        ("PACKHORSE_BROKER", CONSUMER, &["--root", "t=t"]),
        ("AMQP_URL", REDUCER, &[]),
        ("RABBITMQ_URL", PACKHORSE, &["producer", "sha1", "t"]),
        ("CLOUDAMQP_URL", PACKHORSE, &["status", "j"]),
        ("PACKHORSE_LOG", PACKHORSE, &["sha1", "t"]),
        ("PACKHORSE_PASSWORD_PRODUCER", PACKHORSE, &["topology", "--definitions"]),
        ("PACKHORSE_PASSWORD_SUB_MIT", PACKHORSE, &["topology", "--definitions", "--submitter", "sub-mit"]),
    ] {
        let done = world.command(program, args).env(variable, os(NO_TEXT)).done().exits(2);
        let said = format!("the variable {variable} holds bytes that are not UTF-8");
        assert!(done.err.contains(&said), "{args:?}: {}", done.err);
        assert!(done.out.is_empty() && !done.err.contains("s3cret"), "{args:?}: {done:?}");
    }
    world.file("latin1", NO_TEXT);
    let done = world.command(PACKHORSE, ["sha1", "t"]).env("PACKHORSE_BROKER_FILE", "latin1").done().exits(2);
    assert!(done.err.contains("cannot read latin1 (named by PACKHORSE_BROKER_FILE)"), "{}", done.err);
}

#[tokio::test]
async fn an_empty_variable_is_as_unset_and_a_path_may_have_any_bytes() {
    let cluster = Cluster::around(broker::shared().await);
    let world = &cluster.world;
    world.tree("t", 20);
    let wanted = world.sha1sum(&["t"]);
    let empty = |program: &str, args: &[&str]| {
        let run = world.command(program, args);
        PATHS.iter().chain(&TEXTS).fold(run, |run, variable| run.env(variable, ""))
    };
    assert_same(&empty(PACKHORSE, &["sha1", "t"]).done().exits(0).out, &wanted);
    // Its store does not lie in the present directory instead.
    let held = world.sparse("held", 1 << 40);
    let reading = empty(PACKHORSE, &["sha1", "held"]).start();
    reading.reads(&held);
    assert_eq!(world.names(""), ["held", "t"]);
    reading.stop();
    let done = empty(PACKHORSE, &["jobs"]).done().exits(2);
    assert!(done.err.contains("no broker: give --broker"), "{}", done.err);
    let done = empty(PACKHORSE, &["health"]).done().exits(2);
    assert!(done.err.contains("give --file FILE, or set PACKHORSE_HEALTH_FILE"), "{}", done.err);
    let done = empty(REDUCER, &["--broker", cluster.url()]).env("HOME", "").done().exits(2);
    assert!(done.err.contains("neither XDG_STATE_HOME nor HOME is set"), "{}", done.err);
    let passwords = ["PACKHORSE_PASSWORD_PRODUCER", "PACKHORSE_PASSWORD_PRODUCER_FILE"];
    let run =
        passwords.iter().fold(world.command(PACKHORSE, ["topology", "--definitions"]), |run, name| run.env(name, ""));
    assert!(String::from_utf8_lossy(&run.done().exits(0).out).contains(r#""password_hash": """#));

    let odd = os(b"url-\xff");
    world.file(&odd, format!("  {}\r\n", cluster.url()));
    let consumer = empty(CONSUMER, &["--root", "t=t"]).env("PACKHORSE_BROKER_FILE", &odd).start();
    consumer.says("The consumer is ready.");
    let done = empty(PACKHORSE, &["sha1", "t"]).env("PACKHORSE_BROKER_FILE", &odd).done().exits(0);
    assert_same(&done.out, &wanted);
    consumer.stop().exits(0);
}

/// Where two readers could find two hosts, nobody connects to either.
#[test]
fn a_url_that_can_be_read_in_two_ways_is_refused_without_its_password() {
    let world = World::new();
    world.file("t/a", "a");
    for (url, why) in [
        ("amqp://u:s3c@s3c#s3c/w@127.0.0.1", "must be percent-encoded: / as %2F"),
        ("amqp://u:s3c/w@127.0.0.1", "must be percent-encoded: / as %2F"),
        ("amqp://u:s3c?w@127.0.0.1", "must be percent-encoded: / as %2F"),
        ("amqp://u:s3c@127.0.0.1/a@b", "must be percent-encoded: / as %2F"),
        ("amqp://u:s3c%@127.0.0.1", "write % itself as %25"),
        ("amqp://u:s3c%ff@127.0.0.1", "is not UTF-8"),
        ("amqp://u:s3c%00@127.0.0.1", "NUL"),
        ("amqp://u:s3c", "is not a port"),
        ("amqp://u:s3c@", "names no host"),
        ("amqp://u:s3c@/v", "names no host"),
        ("amqp://u:s3c@:5672", "names no host"),
        ("amqp://u:s3c@127.0.0.1:0", "a number from 1 to 65535"),
        ("amqp://u:s3c@127.0.0.1 :5672", "neither a name nor an address"),
        ("amqp://u:s3c@127.0.0.1/v\namqp://u:s3c@127.0.0.1/w", "a line break"),
        ("amqp://u:s3c@127.0.0.1/\x1b[31m", "control character"),
    ] {
        world.file("url", url);
        for (variable, value) in [("PACKHORSE_BROKER", url), ("PACKHORSE_BROKER_FILE", "url")] {
            let done = world.command(PACKHORSE, ["sha1", "t"]).env(variable, OsStr::new(value)).done().exits(2);
            assert!(done.err.contains(why) && done.err.contains(variable), "{url:?}: {}", done.err);
            assert!(done.err.contains("a broker's URL"), "{url:?}: {}", done.err);
            assert!(!done.err.contains("s3c") && !done.err.contains('\x1b'), "{url:?}: {}", done.err);
            assert_eq!((done.err.lines().count(), done.out.len()), (1, 0), "{url:?}: {}", done.err);
        }
    }
}

#[test]
fn a_filter_of_the_log_that_cannot_be_read_is_said_so() {
    let world = World::new();
    world.file("t/a", "a");
    let done = world.command(PACKHORSE, ["sha1", "t"]).env("PACKHORSE_LOG", "packhorse=loud").done().exits(0);
    assert!(done.err.contains("PACKHORSE_LOG cannot be read"), "{}", done.err);
}
