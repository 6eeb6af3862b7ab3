//! Too few threads: a command or a role ends with the reason, and neither panics, hangs nor stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::world::{CONSUMER, Done, PACKHORSE, PRODUCER, REDUCER, World, assert_same};

/// A broker where nobody listens, given up at once.
const NOBODY: [&str; 4] = ["--broker", "amqp://127.0.0.1:1", "--connect-timeout", "0.1"];

/// More than any of these commands needs on any machine that runs tests.
const ENOUGH: usize = 4_000;

/// Runs a command as a user who has no other process and may have so many, threads included: root's are not
/// limited.
fn limited(world: &World, program: &str, args: &[&str], processes: usize) -> Done {
    let name = program.rsplit('/').next().expect("a name");
    let copy = world.path(format!("../{name}")).display().to_string();
    // By a process: one that another test starts meanwhile would inherit a copy that is open for writing.
    world.command("cp", ["-n", program, &copy]).done().exits(0);
    let user = 100_000 + std::process::id() % 50_000;
    let limit = format!("--nproc={processes}");
    let switch = [format!("--reuid={user}"), format!("--regid={user}")];
    let switch = [&switch[0], &switch[1], "--clear-groups", "prlimit", &limit, &copy];
    world.command("setpriv", switch.iter().copied().chain(args.iter().copied())).done()
}

fn is_root(world: &World) -> bool {
    world.command("id", ["-u"]).done().out == b"0\n"
}

fn small() -> World {
    let world = World::new();
    world.tree("t", 300);
    fs::set_permissions(world.path(""), PermissionsExt::from_mode(0o777)).expect("it is ours");
    world
}

#[test]
fn a_command_that_gets_too_few_threads_ends_with_the_reason() {
    let world = small();
    if !is_root(&world) {
        return;
    }
    let wanted = world.sha1sum(&["t"]);
    let began = Instant::now();
    let mut ended = Vec::new();
    for processes in (1..=14).chain([ENOUGH]) {
        let done = limited(&world, PACKHORSE, &["sha1", "-q", "-j", "2", "t"], processes);
        let shown = format!("{processes} processes: {done:?}");
        assert!(!done.err.contains("panicked"), "{shown}");
        match done.code {
            0 => assert_same(&done.out, &wanted),
            3 => assert!(done.err.starts_with("packhorse: cannot start a thread: ") && done.out.is_empty(), "{shown}"),
            _ => panic!("{shown}"),
        }
        assert!(done.code == 0 || done.err.contains("raise the limit of processes and threads (ulimit -u"), "{shown}");
        ended.push(done.code);
    }
    assert!(ended.starts_with(&[3, 3, 3, 3, 3, 3]) && ended.ends_with(&[0]) && ended.is_sorted_by(|a, b| a >= b));
    assert!(began.elapsed() < Duration::from_secs(60), "one of them hung");
}

#[test]
fn a_role_that_gets_too_few_threads_does_not_stay() {
    let world = small();
    if !is_root(&world) {
        return;
    }
    let roles: [(&str, &[&str]); 4] = [
        (PRODUCER, &["sha1", "t"]),
        (CONSUMER, &["--root", "t=t", "-j", "3"]),
        (REDUCER, &["--state", "s"]),
        (PACKHORSE, &["words", "t"]),
    ];
    for (program, args) in roles {
        for processes in 1..=8 {
            let done = limited(&world, program, &[args, &NOBODY[..]].concat(), processes).exits(3);
            assert!(done.err.contains("cannot start a thread: "), "{program} {processes}: {}", done.err);
        }
        let done = limited(&world, program, &[args, &NOBODY[..]].concat(), ENOUGH).exits(3);
        assert!(done.err.contains("cannot reach the broker"), "{program}: {}", done.err);
    }
}

#[test]
fn what_waits_for_nobody_needs_one_thread() {
    let world = small();
    if !is_root(&world) {
        return;
    }
    for args in [&["man"][..], &["completions", "zsh"], &["topology", "--definitions"], &["key", "new", "k"]] {
        limited(&world, PACKHORSE, args, 1).exits(0);
    }
    let done = limited(&world, PACKHORSE, &["health", "--file", "none"], 1).exits(1);
    assert!(!done.err.contains("thread"), "{}", done.err);
}
