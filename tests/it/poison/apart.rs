//! The work in isolation, without a broker: the child is the real `consumer`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use consumer::isolation::{self, Isolation};
use consumer::work::{Context, Piece, Site, WorkError, work};
use serde_json::{Value, json};
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::protocol::workload::words::part;

use super::{ENDLESS, Killer};
use crate::world::{CONSUMER, PACKHORSE, World, eventually, holders, send};

/// One way to do a task.
enum Way<'a> {
    Here,
    Isolated(&'a Isolation),
}

fn ours() -> Isolation {
    Isolation { program: CONSUMER.into(), args: vec!["--isolated".into()] }
}

/// An answer, and the pieces of it that were published before.
type Answer = (Result<Value, WorkError>, Vec<Piece>);

fn done(world: &World, way: Way<'_>, workload: Workload, body: &Value, cancelled: &dyn Fn() -> bool) -> Answer {
    let mut site = Site::new();
    site.add_root("t", &world.path("t")).expect("it is there");
    let mut pieces = Vec::new();
    let mut publish = |piece| {
        pieces.push(piece);
        Ok(())
    };
    let context = Context { site: &site, planned_at: None, cancelled, publish: &mut publish, early: None };
    let body = Payload::json(body.to_string());
    let answer = match way {
        Way::Here => work(workload, &body, context),
        Way::Isolated(isolation) => isolation::work(isolation, workload, &body, context),
    };
    (answer.map(|answer| serde_json::from_slice(&answer).expect("JSON")), pieces)
}

fn isolated(world: &World, workload: Workload, body: &Value) -> Answer {
    done(world, Way::Isolated(&ours()), workload, body, &|| false)
}

fn here(world: &World, workload: Workload, body: &Value) -> Answer {
    done(world, Way::Here, workload, body, &|| false)
}

fn files(names: &[String]) -> Value {
    let items: Vec<Value> = names.iter().map(|name| json!([name, 1])).collect();
    json!({"links": "skip", "root": "t", "items": items})
}

fn digest(names: &[String]) -> Value {
    json!({"algorithm": "sha1", "files": files(names)})
}

fn words(names: &[String]) -> Value {
    let manner = json!({"mode": "ascii", "characters": true, "frequencies": true});
    json!({"manner": manner, "files": files(names)})
}

/// What an owner makes of the pieces.
fn frequencies(answer: &Value, pieces: &[Piece]) -> BTreeMap<Vec<u8>, u64> {
    let mut sum = BTreeMap::new();
    let counts_it = |item: u32| !answer["counts"][item as usize].is_null();
    for piece in pieces.iter().filter(|piece| piece.item.is_none_or(counts_it)) {
        for line in part::lines(&piece.body) {
            let (count, word) = line.expect("a line");
            *sum.entry(word.to_vec()).or_default() += count;
        }
    }
    sum
}

/// Small files, one of them missing.
fn names(world: &World, count: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..count).map(|number| format!("{number:03}")).collect();
    for name in &names {
        world.file(format!("t/{name}"), format!("horse {name} pack horse"));
    }
    names.insert(count / 2, "missing".to_owned());
    names
}

#[test]
fn differential_a_task_item_by_item_has_the_answer_of_the_whole() {
    let world = World::new();
    let names = names(&world, 120);
    world.file("t/large", "more words than one part holds ".repeat(5) + &distinct(600_000));
    let with_large = [&names[..], &["large".to_owned()]].concat();
    let (wanted, _) = here(&world, Workload::Digest, &digest(&names));
    let (found, pieces) = isolated(&world, Workload::Digest, &digest(&names));
    assert_eq!((&found, pieces), (&wanted, Vec::new()));
    assert_eq!(found.expect("an answer")["failed"][0]["item"], 60);

    let (wanted, parts) = here(&world, Workload::Words, &words(&with_large));
    let (found, pieces) = isolated(&world, Workload::Words, &words(&with_large));
    assert_eq!(found, wanted);
    let found = found.expect("an answer");
    assert!(frequencies(&found, &pieces) == frequencies(&found, &parts), "other words");
    assert!(pieces.iter().filter(|piece| piece.item == Some(121)).count() > 1, "the large file has several parts");

    let whip = json!({"intensity": 7});
    assert_eq!(isolated(&world, Workload::Steps, &whip).0, Ok(json!({"steps": 7})));
    for (workload, bad) in
        [(Workload::Digest, json!({})), (Workload::Words, digest(&names)), (Workload::Steps, json!([]))]
    {
        let (found, wanted) = (isolated(&world, workload, &bad).0, here(&world, workload, &bad).0);
        assert!(matches!(found, Err(WorkError::Rejected(_))), "{found:?}");
        assert_eq!(found, wanted);
    }
    let mut elsewhere = digest(&names);
    elsewhere["files"]["root"] = "another".into();
    assert_eq!(isolated(&world, Workload::Digest, &elsewhere).0, here(&world, Workload::Digest, &elsewhere).0);
}

fn distinct(count: u64) -> String {
    (0..count).map(|number| format!("{:x} ", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

#[test]
fn the_item_that_kills_its_process_fails_with_the_signal_and_its_neighbours_are_done() {
    let world = World::new();
    let names = names(&world, 20);
    let poison = world.sparse("t/poison", ENDLESS);
    let with_poison = [&names[..5], &["poison".to_owned()], &names[5..]].concat();
    for (signal, name) in
        [("KILL", "signal 9 (SIGKILL)"), ("SEGV", "signal 11 (SIGSEGV)"), ("ABRT", "signal 6 (SIGABRT)")]
    {
        let killer = Killer::of(&poison, signal);
        let found = isolated(&world, Workload::Digest, &digest(&with_poison)).0.expect("an answer");
        assert_eq!(killer.killed(), 1, "it is tried once");
        let mut digests = found["digests"].as_array().expect("digests").clone();
        assert_eq!(digests.remove(5), Value::Null);
        assert_eq!(json!(digests), here(&world, Workload::Digest, &digest(&names)).0.expect("an answer")["digests"]);
        assert_eq!((&found["failed"][0]["item"], &found["failed"][1]["item"]), (&5.into(), &11.into()));
        let reason = found["failed"][0]["reason"].as_str().expect("a reason");
        assert!(reason.starts_with(&format!("its process was killed by {name}")), "{reason}");
    }
}

#[test]
fn words_of_an_item_that_kills_its_process_do_not_count() {
    let world = World::new();
    let names = names(&world, 8);
    // Its words leave in several parts; the process is killed when the first of them has come.
    let poison = world.file("t/poison", distinct(4_000_000));
    let with_poison = [&names[..], &["poison".to_owned()], &names[..2]].concat();
    let mut site = Site::new();
    site.add_root("t", &world.path("t")).expect("it is there");
    let (mut pieces, mut killed) = (Vec::new(), 0);
    let mut publish = |piece| {
        pieces.push(piece);
        for child in holders(&poison) {
            killed += 1;
            send("KILL", child);
        }
        Ok(())
    };
    let context = Context { site: &site, planned_at: None, cancelled: &|| false, publish: &mut publish, early: None };
    let body = Payload::json(words(&with_poison).to_string());
    let found = isolation::work(&ours(), Workload::Words, &body, context).expect("an answer");
    let found: Value = serde_json::from_slice(&found).expect("JSON");
    assert!(killed > 0 && pieces.iter().any(|piece| piece.item == Some(9)), "nothing of it had come: {killed}");
    assert_eq!(found["failed"][1]["item"], 9);
    fs::remove_file(&poison).expect("removed");
    let (wanted, parts) = here(&world, Workload::Words, &words(&with_poison));
    let wanted = wanted.expect("an answer");
    assert_eq!((&found["counts"], &found["check"]), (&wanted["counts"], &wanted["check"]));
    assert!(frequencies(&found, &pieces) == frequencies(&wanted, &parts), "other words");
}

/// The most that one task can cost: a process for each item.
#[test]
fn every_item_may_kill_a_process() {
    let world = World::new();
    let bad: Vec<String> = (0..25).map(|number| format!("bad/{number:02}")).collect();
    bad.iter().for_each(|name| drop(world.sparse(&format!("t/{name}"), ENDLESS)));
    let good = names(&world, 3);
    let killer = Killer::of(&world.path("t/bad"), "KILL");
    let found = isolated(&world, Workload::Digest, &digest(&[&bad[..], &good].concat())).0.expect("an answer");
    assert_eq!(killer.killed(), 25);
    assert_eq!(found["failed"].as_array().expect("failures").len(), 26);
    assert_eq!(found["digests"].as_array().expect("digests").iter().filter(|digest| !digest.is_null()).count(), 3);
}

/// The process that has a file open, once there is one.
fn holder(path: &Path) -> u32 {
    eventually(&format!("a reader of {}", path.display()), || holders(path).into_iter().next())
}

#[test]
fn what_is_cancelled_leaves_no_process() {
    let world = World::new();
    let endless = world.sparse("t/endless", ENDLESS);
    let cancelled = AtomicBool::new(false);
    let body = digest(&["endless".to_owned()]);
    let is_cancelled = || cancelled.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| done(&world, Way::Isolated(&ours()), Workload::Digest, &body, &is_cancelled));
        let child = holder(&endless);
        let asked = Instant::now();
        cancelled.store(true, Ordering::Relaxed);
        let (answer, _) = work.join().expect("no panic");
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        assert!(matches!(answer, Err(WorkError::Failed(failure)) if failure.reason == "cancelled"));
        assert!(!Path::new(&format!("/proc/{child}")).exists(), "a process or a zombie is left");
    });
}

#[test]
fn a_process_that_is_asked_to_stop_blames_no_item() {
    let world = World::new();
    let endless = world.sparse("t/endless", ENDLESS);
    let body = digest(&["endless".to_owned()]);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| isolated(&world, Workload::Digest, &body).0);
        send("TERM", holder(&endless));
        let Err(WorkError::Failed(failure)) = work.join().expect("no panic") else { panic!("an item is blamed") };
        assert_eq!(failure.reason, "its process was killed by signal 15 (SIGTERM)");
    });
}

#[test]
fn a_process_that_cannot_start_blames_no_item_and_says_why() {
    let world = World::new();
    let names = names(&world, 1);
    let with = |program: &str, args: &[&str]| {
        let isolation = Isolation { program: program.into(), args: args.iter().map(Into::into).collect() };
        match done(&world, Way::Isolated(&isolation), Workload::Digest, &digest(&names), &|| false).0 {
            Err(WorkError::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        }
    };
    let none = with("/none", &[]);
    assert_eq!(none.reason, "cannot start /none to work in isolation: No such file or directory (os error 2)");
    let ended = with("/bin/sh", &["-c", "echo no horse >&2; exit 3"]);
    assert_eq!(ended.reason, "cannot start /bin/sh to work in isolation: its process exited with code 3");
    assert_eq!(ended.stderr, "no horse\n");
    let other = with("/bin/sh", &["-c", "echo this is no frame; sleep 100"]);
    let expected = "its process was killed after an error: the bytes received are not a frame";
    assert!(other.reason.ends_with(expected), "{}", other.reason);
    // The same words for both commands.
    let isolation = Isolation { program: PACKHORSE.into(), args: vec!["consumer".into(), "--isolated".into()] };
    let whole = done(&world, Way::Isolated(&isolation), Workload::Digest, &digest(&names), &|| false).0;
    assert_eq!(whole, here(&world, Workload::Digest, &digest(&names)).0);
}

#[test]
fn a_root_is_the_directory_that_has_its_name_when_the_task_begins_and_ends() {
    let world = World::new();
    let names = names(&world, 3);
    let mut site = Site::new();
    site.add_root("t", &world.path("t")).expect("it is there");
    let body = Payload::json(digest(&names).to_string());
    let isolated = |cancelled: &dyn Fn() -> bool| {
        let context = Context { site: &site, planned_at: None, cancelled, publish: &mut |_| Ok(()), early: None };
        isolation::work(&ours(), Workload::Digest, &body, context)
    };
    let replace = |aside: &str| {
        fs::rename(world.path("t"), world.path(aside)).expect("renamed");
        world.file("t/000", format!("another file in the place of {aside}"));
    };
    replace("before");
    let wanted = here(&world, Workload::Digest, &digest(&names)).0.expect("an answer");
    let found: Value = serde_json::from_slice(&isolated(&|| false).expect("an answer")).expect("JSON");
    assert_eq!(found, wanted);
    // The first question comes when the child is started, and the root is open.
    let replaced = AtomicBool::new(false);
    let meanwhile = || {
        if !replaced.swap(true, Ordering::Relaxed) {
            replace("meanwhile");
        }
        false
    };
    match isolated(&meanwhile) {
        Err(WorkError::Failed(failure)) => {
            assert!(failure.reason.ends_with("leads to another directory now"), "{}", failure.reason);
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(world.path("t/000")).expect("removed");
    let empty = isolated(&|| false);
    let told = format!("root \"t\" at {} is an empty directory; is it mounted?", world.path("t").display());
    assert!(matches!(&empty, Err(WorkError::Failed(failure)) if failure.reason == told), "{empty:?}");
}
