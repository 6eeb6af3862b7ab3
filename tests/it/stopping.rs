//! Signals: once and twice, and what is left behind.

use std::time::Instant;

use crate::cluster::Cluster;
use crate::tap::Tap;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, Process, REDUCER, World, assert_same, eventually};

const ENDLESS: u64 = 1 << 40;

/// A run that is held up in reading one file.
fn reading(world: &World, more: &[&str]) -> Process {
    world.file("t/b", "b");
    let endless = world.sparse("t/a", ENDLESS);
    let run = world.command(PACKHORSE, [&["sha1", "t"], more].concat()).start();
    run.opens(&endless);
    run
}

#[test]
fn the_first_signal_stops_within_its_limit_and_the_exit_code_is_130() {
    let world = World::new();
    let run = reading(&world, &["-o", "manifest"]);
    run.signal("TERM");
    let done = run.wait().exits(130);
    assert!(done.err.contains("stopping; press Ctrl-C or send the signal again to exit at once"), "{}", done.err);
    assert!(done.err.contains("stopped before the job was done; with --state FILE"), "{}", done.err);
    assert_eq!((done.out.as_slice(), world.names(".")), (&b""[..], vec!["t".to_owned()]));
    assert!(world.temporary().is_empty(), "{:?}", world.temporary());
}

#[test]
fn the_second_signal_exits_at_once_and_leaves_nothing() {
    for signals in [["INT", "INT"], ["TERM", "TERM"], ["INT", "TERM"]] {
        let world = World::new();
        let run = reading(&world, &["-o", "manifest"]);
        run.signal(signals[0]);
        run.says("stopping; press Ctrl-C or send the signal again to exit at once");
        let asked = Instant::now();
        run.signal(signals[1]);
        run.wait().exits(130);
        // The first one alone would wait for what is under way, up to 8 s.
        assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
        assert_eq!(world.names("."), ["t"], "{signals:?}");
        assert!(world.temporary().is_empty(), "{signals:?}: {:?}", world.temporary());
    }
}

#[test]
fn a_stopped_job_goes_on_from_its_state() {
    let world = World::new();
    let run = reading(&world, &["--state", "store"]);
    run.signal("INT");
    let done = run.wait().exits(130);
    assert!(done.err.contains("run the same command with --state store again to resume"), "{}", done.err);
    assert_eq!(world.names("."), ["store", "t"]);
    world.file("t/a", "a");
    let done = world.packhorse(["sha1", "t", "--state", "store"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["t"]));
}

// A command that was asked to stop while it declared its queues waited for the broker all the same.
#[tokio::test]
async fn who_waits_for_an_answer_of_the_broker_stops_when_asked() {
    let cluster = Cluster::new().await;
    cluster.world.file("t/a", "a");
    let roles: [(&str, &[&str], i32); 5] = [
        (PACKHORSE, &["sha1", "t"], 130),
        (PRODUCER, &["sha1", "t", "--job", "j"], 130),
        (CONSUMER, &["--root", "t=t"], 0),
        (REDUCER, &["--state", "service"], 0),
        (REDUCER, &["--state", "one", "--job", "j"], 130),
    ];
    let waiting = roles.map(|(program, args, code)| {
        let tap = Tap::that_swallows(cluster.url(), "packhorse.v1.");
        let role = cluster.world.command(program, args).env("PACKHORSE_BROKER", &tap.url).start();
        (tap, role, code)
    });
    for (tap, role, code) in waiting {
        eventually("it has begun to declare", || tap.shows("packhorse.v1.").then_some(()));
        let asked = Instant::now();
        role.signal("TERM");
        let done = role.wait().exits(code);
        // A close waits up to 3 s for its answer, the channel's and then the connection's.
        assert!(asked.elapsed().as_secs() < 8, "{:?}: {}", asked.elapsed(), done.err);
    }
}
