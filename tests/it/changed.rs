//! Trees that change while a job waits to go on: what its report says is what is there when it goes on.

use std::fs;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::world::{Done, PACKHORSE, PRODUCER, World, assert_same, eventually};

/// Larger than anyone reads.
const ENDLESS: u64 = 1 << 40;

fn counts(world: &World) -> Option<Value> {
    let done = world.packhorse(["jobs", "--json", "--state", "store"]);
    (done.code == 0).then(|| done.json().first().map(|job| job["counts"].clone())).flatten()
}

/// Kills a run over 3,000 files when some of them are done; `command` is `sha1` or `words`.
fn killed_midway(world: &World, command: &str) {
    world.tree("t", 3_000);
    let endless = world.sparse("t/014/zzz", ENDLESS);
    let run = world.command(PACKHORSE, [command, "-q", "t", "--state", "store", "-o", "m", "-j", "2"]).start();
    run.reads(&endless);
    eventually("some is done", || (counts(world)?["items_done"].as_u64()? >= 500).then_some(()));
    run.kill();
    fs::remove_file(endless).expect("removed");
}

fn go_on(world: &World, command: &str, more: &[&str]) -> Done {
    world.packhorse([&[command, "t", "--state", "store", "-o", "m"], more].concat())
}

fn report(world: &World) -> Vec<u8> {
    fs::read(world.path("m")).expect("read")
}

#[test]
fn a_directory_that_moves_takes_its_files_along() {
    let world = World::new();
    killed_midway(&world, "sha1");
    fs::rename(world.path("t/029"), world.path("t/000y")).expect("renamed");
    let done = go_on(&world, "sha1", &[]).exits(0);
    assert!(done.err.contains("has changed since it was planned"), "{}", done.err);
    assert_same(&report(&world), &world.sha1sum(&["t"]));
    // What was there and done is not read again.
    let kept = counts(&world).expect("it is there")["items_kept"].as_u64();
    assert!(kept >= Some(500), "{kept:?}");
}

#[test]
fn what_was_changed_added_or_removed_is_as_it_is_now() {
    for command in ["sha1", "words"] {
        let world = World::new();
        killed_midway(&world, command);
        world.file("t/000/00007", "another size");
        // The same size, and a time of before: its change time tells.
        let same = world.path("t/000/00008");
        let modified = fs::metadata(&same).and_then(|found| found.modified()).expect("it is there");
        world.file("t/000/00008", "9");
        fs::File::options().write(true).open(&same).and_then(|file| file.set_modified(modified)).expect("set");
        fs::remove_file(world.path("t/001/00100")).expect("removed");
        world.file("t/000/00000a", "before the place of the walk");
        fs::remove_dir_all(world.path("t/029")).expect("removed");
        go_on(&world, command, &[]).exits(0);
        if command == "sha1" {
            assert_same(&report(&world), &world.sha1sum(&["t"]));
        } else {
            let fresh = world.packhorse(["words", "t", "-q"]).exits(0);
            assert_same(&report(&world), &fresh.out);
        }
    }
}

/// While a run works, names lead elsewhere, and lead back before the next one looks: no file has changed.
#[test]
fn what_was_read_under_another_name_is_read_again() {
    // Files are read in any order: the others must be neither the first nor the last.
    let (world, done) = (0..20).find_map(|_| killed_with_names_exchanged()).expect("one was not the last");
    assert_eq!((&done["items_changed"], &done["items_failed"]), (&2.into(), &1.into()), "{done}");
    let told = go_on(&world, "sha1", &[]).exits(0);
    assert!(told.err.contains("has changed since it was planned"), "{}", told.err);
    assert_same(&report(&world), &world.sha1sum(&["t"]));
}

/// A run over files of which two were read under the names of each other, and one was away, and its account.
fn killed_with_names_exchanged() -> Option<(World, Value)> {
    let world = World::new();
    let slow = world.sparse("t/0", 2 << 30);
    for (name, content) in [("t/x/f", "the one"), ("t/y/f", "the other one"), ("t/z/f", "a third")] {
        world.file(name, content);
    }
    for name in ["t/~1", "t/~2", "t/~3"] {
        world.sparse(name, 3 << 29);
    }
    let run = world.command(PACKHORSE, ["sha1", "-q", "t", "--state", "store", "-o", "m", "-j", "1"]).start();
    run.reads(&slow);
    let rename = |from: &str, to: &str| fs::rename(world.path(from), world.path(to)).expect("renamed");
    let exchange = || [("t/x", "x"), ("t/y", "t/x"), ("x", "t/y")].map(|(from, to)| rename(from, to));
    exchange();
    rename("t/z", "z");
    let is_read = |counts: &Value| counts["items_failed"] == 1 || counts["tasks_open"] == 0;
    eventually("they are read, or all is", || counts(&world).filter(is_read));
    run.kill();
    exchange();
    rename("z", "t/z");
    let done = counts(&world).expect("a job");
    (done["items_failed"] == 1 && done["tasks_open"] != 0).then_some((world, done))
}

#[test]
fn whoever_does_not_want_to_look_again_is_told_what_that_means() {
    let world = World::new();
    world.tree("t", 300);
    let wanted = world.sha1sum(&["t"]);
    let endless = world.sparse("t/zzz", ENDLESS);
    let run = world.command(PACKHORSE, ["sha1", "-q", "t", "--state", "store", "-o", "m", "-j", "2"]).start();
    run.reads(&endless);
    eventually("the rest is done", || (counts(&world)?["items_done"].as_u64()? >= 300).then_some(()));
    run.kill();
    world.file("t/000/00007", "changed");
    fs::remove_file(endless).expect("removed");
    let done = go_on(&world, "sha1", &["--no-recheck"]).exits(1);
    assert!(done.err.contains("without looking whether anything has changed since"), "{}", done.err);
    assert!(done.err.contains("was resumed without checking for changes"), "{}", done.err);
    assert_same(&report(&world), &wanted);
    // The job has ended: the next run is of the tree as it is.
    go_on(&world, "sha1", &["--no-recheck"]).exits(0);
    assert_same(&report(&world), &world.sha1sum(&["t"]));
}

#[tokio::test]
async fn a_job_that_has_ended_says_so_and_when() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 30);
    let (reducer, consumer) = (cluster.reducer(&[]), cluster.consumer(&[]));
    cluster.producer(&["t", "--job", "nightly"]).wait().exits(0);
    let wanted = cluster.world.sha1sum(&["t"]);
    cluster.world.file("t/new", "new");
    let done = cluster.producer(&["t", "--job", "nightly"]).wait().exits(0);
    assert!(done.err.contains("job nightly has ended before, at 20"), "{}", done.err);
    assert_same(&cluster.report("nightly"), &wanted);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// A second producer of the same directories finds what has changed, and the job is begun anew. The first one hears
/// of it.
#[tokio::test]
async fn a_job_over_a_broker_that_goes_on_is_of_the_tree_as_it_is() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 3_000);
    let endless = cluster.world.sparse("t/zzz", ENDLESS);
    let (reducer, consumer) = (cluster.reducer(&[]), cluster.consumer(&["-j", "2"]));
    let first = cluster.producer(&["t", "--job", "nightly"]);
    consumer.reads(&endless);
    cluster.reaches("nightly", "items_done", 1_000);
    cluster.world.file("t/000/00007", "changed");
    cluster.world.file("t/new", "new");
    fs::remove_file(&endless).expect("removed");
    let wanted = cluster.world.sha1sum(&["t"]);
    let second = cluster.producer(&["t", "--job", "nightly"]).wait().exits(0);
    assert!(second.err.contains("has changed since it was planned"), "{}", second.err);
    assert_same(&cluster.report("nightly"), &wanted);
    let status = cluster.status("nightly").expect("it is known");
    assert!(status["counts"]["items_kept"].as_u64() >= Some(1_000), "{status}");
    let first = first.wait();
    assert!([0, 3].contains(&first.code), "{}: {}", first.code, first.err);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// Two machines have a directory of that name each.
#[tokio::test]
async fn of_two_producers_with_other_files_one_ends_and_says_why() {
    let cluster = Cluster::new().await;
    for place in ["one", "two"] {
        for number in 0..20 {
            cluster.world.file(format!("{place}/t/{place}-{number}"), place);
        }
    }
    let reducer = cluster.reducer(&[]);
    let produce = |place: &str| {
        let script = format!("cd {place} && exec \"$0\" sha1 t --job nightly");
        cluster.start("sh", ["-c", &script, PRODUCER])
    };
    let one = produce("one");
    cluster.reaches("nightly", "tasks_planned", 1);
    let two = produce("two").wait().exits(3);
    assert!(two.err.contains("nightly") && two.err.contains("another"), "{}", two.err);
    let consumer = cluster.ready(crate::world::CONSUMER, &["--root", "t=one/t"]);
    one.wait().exits(0);
    let report = String::from_utf8(cluster.report("nightly")).expect("UTF-8");
    assert!(report.lines().count() == 20 && !report.contains("two"), "{report}");
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}
