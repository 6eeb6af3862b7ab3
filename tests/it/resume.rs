//! `--state FILE`: killed at any moment and run again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;

use serde_json::Value;

use crate::world::{PACKHORSE, World, assert_same, eventually};

const MIB: u64 = 1024 * 1024;

/// How the one job in a store stands, as `packhorse status` tells without disturbing its owner.
fn status(world: &World) -> Option<Value> {
    let done = world.packhorse(["jobs", "--json", "--state", "store"]);
    // A store that is being made cannot be read yet.
    (done.code == 0).then(|| done.json().into_iter().next()).flatten()
}

/// The tasks with an outcome: where it was done, on which attempt, and how long it took.
fn outcomes(world: &World) -> BTreeMap<u64, String> {
    let rows = world.sql("store", "SELECT number, attempt || ' ' || host || ' ' || micros FROM outcomes");
    let row = |line: &str| {
        let (number, rest) = line.split_once('|').expect("two columns");
        (number.parse().expect("a number"), rest.to_owned())
    };
    rows.lines().map(row).collect()
}

#[test]
fn killed_at_any_moment_it_goes_on_and_reads_nothing_again_that_is_done() {
    let world = World::new();
    for number in 0..40 {
        let file = world.sparse(&format!("t/{number:02}"), MIB * 8);
        fs::File::options().write(true).open(file).and_then(|file| file.write_all_at(&[number], 9)).expect("written");
    }
    // No run comes to its end before it is killed.
    world.file("t/z", "the end");
    let wanted = world.sha1sum(&["t"]);
    world.sparse("t/z", 1 << 40);
    // One of the two slots may hang in the last file. Each kill is later in the job: before the first
    // digest, in the midst, behind all but the last.
    let mut before = BTreeMap::new();
    for goal in [0, 1, 16, 24, 40] {
        let run = world.command(PACKHORSE, ["sha1", "-q", "-j", "2", "t", "--state", "store"]).start();
        eventually("enough is done", || {
            let done = status(&world)?["counts"]["items_done"].as_u64()?;
            (done >= goal).then_some(())
        });
        run.kill();
        let after = outcomes(&world);
        assert!(before.iter().all(|(number, row)| after.get(number) == Some(row)), "an outcome was replaced");
        before = after;
    }
    world.file("t/z", "the end");
    // The shell's account has all that its children have read.
    let script = "\"$0\" sha1 t --state store || exit; grep rchar /proc/$$/io >&2";
    let done = world.command("bash", ["-c", script, PACKHORSE]).done().exits(0);
    assert!(done.err.contains("which has not ended: 6 tasks are planned"), "{}", done.err);
    assert!(done.err.contains("has changed since it was planned"), "{}", done.err);
    assert!(done.err.contains("kept    40 items"), "{}", done.err);
    let read = done.err.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok()).expect("told");
    assert!(read < 8 * MIB, "{read} bytes were read of 320 MiB that were done");
    assert_same(&done.out, &wanted);
    let counts = &status(&world).expect("it is there")["counts"];
    assert_eq!(
        (&counts["items_done"], &counts["items_kept"], &counts["conflicts"]),
        (&41.into(), &40.into(), &0.into())
    );
}

#[test]
fn a_job_that_has_ended_is_begun_anew_and_one_that_has_not_goes_on() {
    let world = World::new();
    world.tree("t", 300);
    let first = world.packhorse(["sha1", "t", "--state", "store", "-o", "m"]).exits(0);
    assert!(!first.err.contains("anew") && !first.err.contains("going on"), "{}", first.err);
    world.file("t/new", "new");
    world.file("t/000/00000", "edited");
    fs::remove_file(world.path("t/000/00001")).expect("removed");
    let wanted = world.sha1sum(&["t"]);
    let second = world.packhorse(["sha1", "t", "--state", "store", "-o", "m"]).exits(0);
    assert_same(&fs::read(world.path("m")).expect("read"), &wanted);
    assert!(
        second.err.contains("beginning again as job ") && second.err.contains("was finished at 20"),
        "{}",
        second.err
    );
    // What failed is tried again, and so is what someone has cancelled.
    std::os::unix::fs::symlink("nowhere", world.path("t/link")).expect("a link");
    let sha1 = ["sha1", "t", "--follow", "--state", "store", "-o", "m"];
    world.packhorse(sha1).exits(1);
    world.file("t/nowhere", "now it is there");
    assert!(world.packhorse(sha1).exits(0).err.contains("beginning again"));
    let quiet = world.packhorse([&sha1[..], &["-q"]].concat()).exits(0);
    assert_eq!(quiet.err, "");
    assert_eq!(world.sql("store", "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL"), "5");
}

#[test]
fn the_job_of_an_id_that_has_ended_gives_its_report_of_then_and_says_so() {
    let world = World::new();
    world.tree("t", 30);
    let run = ["sha1", "-q", "t", "--state", "store", "--job", "j"];
    let first = world.packhorse(run).exits(0);
    let seconds = |world: &World| status(world).expect("it is there")["seconds"].clone();
    let took = seconds(&world);
    fs::remove_dir_all(world.path("t")).expect("removed");
    fs::create_dir(world.path("t")).expect("made");
    let second = world.packhorse(run).exits(0);
    assert_same(&second.out, &first.out);
    assert!(second.err.contains("job j has ended before, at 20") && second.err.contains("of then"), "{}", second.err);
    assert_eq!(seconds(&world), took, "it ended when it ended");
}

/// What took the directory's place is another directory, whatever its name.
#[test]
fn a_job_that_has_not_ended_does_not_go_on_over_another_directory() {
    let world = World::new();
    world.tree("t", 300);
    world.sparse("t/z", 1 << 40);
    let run = world.command(PACKHORSE, ["sha1", "-q", "t", "--state", "store"]).start();
    eventually("some is done", || (status(&world)?["counts"]["items_done"].as_u64()? > 0).then_some(()));
    run.kill();
    fs::rename(world.path("t"), world.path("moved")).expect("renamed");
    world.tree("t", 30);
    let done = world.packhorse(["sha1", "t", "--state", "store"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["t"]));
    assert!(!done.err.contains("going on"), "{}", done.err);
}

#[test]
fn a_store_that_cannot_be_written_is_the_reason_that_is_told() {
    let world = World::new();
    world.tree("t", 3);
    world.packhorse(["sha1", "t", "--state", "store"]).exits(0);
    let sha1 = ["--reuid=65534", "--regid=65534", "--clear-groups", PACKHORSE, "sha1", "t", "--state", "store"];
    // The directory is anyone's: only the store itself is not.
    fs::set_permissions(world.path("."), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("ours");
    let done = world.command("setpriv", sha1).done();
    if rustix::process::geteuid().is_root() {
        assert_eq!(done.code, 3, "{}", done.err);
        assert!(done.err.contains("readonly database") && !done.err.contains("has stopped"), "{}", done.err);
    }
}

#[test]
fn a_job_without_files_says_so() {
    let world = World::new();
    fs::create_dir(world.path("t")).expect("made");
    for command in ["sha1", "words"] {
        let done = world.packhorse([command, "t"]).exits(0);
        assert!(done.err.contains("found no files: its report is empty"), "{}", done.err);
    }
}

#[test]
fn one_store_holds_several_jobs() {
    let world = World::new();
    world.file("t/a", "a");
    world.file("u/b", "b");
    world.packhorse(["sha1", "t", "--state", "store", "--job", "one"]).exits(0);
    let done = world.packhorse(["sha1", "u", "--state", "store"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["u"]));
    let done = world.packhorse(["sha1", "t", "--state", "store"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["t"]));
    assert_eq!(world.packhorse(["jobs", "--json", "--state", "store"]).exits(0).json().len(), 3);
    let lines = world.packhorse(["status", "one", "--json", "--state", "store"]).exits(0).json();
    assert_eq!(
        (&lines[0]["job"], &lines[0]["schema"], &lines[0]["state"]),
        (&"one".into(), &1.into(), &"finished".into())
    );
    let text = world.packhorse(["status", "one", "--state", "store"]).exits(0);
    assert!(String::from_utf8_lossy(&text.out).contains("1 planned, 1 done"), "{text:?}");
    world.packhorse(["status", "none", "--state", "store"]).exits(2);
    let done = world.packhorse(["sha1", "u", "--state", "store", "--job", "one"]).exits(2);
    assert!(done.err.contains("job one exists and asks for something else"), "{}", done.err);
}

#[test]
fn a_store_in_use_is_refused_and_its_owner_goes_on() {
    let world = World::new();
    world.file("t/b", "b");
    let endless = world.sparse("t/a", 1 << 40);
    let run = world.command(PACKHORSE, ["sha1", "-q", "t", "--state", "store"]).start();
    run.reads(&endless);
    let done = world.packhorse(["sha1", "t", "--state", "store"]).exits(2);
    assert!(done.err.contains("the store store is in use by another process"), "{}", done.err);
    assert_ne!(world.packhorse(["jobs", "--json", "--state", "store"]).exits(0).json()[0]["state"], "finished");
    world.file("t/a", "");
    run.wait().exits(1);
}

#[test]
fn what_is_no_store_of_this_version_is_refused_and_left_as_it_is() {
    let world = World::new();
    world.file("t/a", "a");
    world.sql("newer", "CREATE TABLE jobs (x); PRAGMA user_version = 99");
    world.sql("other", "CREATE TABLE mine (x)");
    world.sql("counted", "CREATE TABLE mine (x); PRAGMA user_version = 2");
    world.sql("same", "CREATE TABLE mine (x); PRAGMA user_version = 3");
    world.file("text", "this is no database, and long enough to be told from an empty one ".repeat(20));
    world.file("byte", "1");
    for store in ["newer", "other", "counted", "same", "text", "byte"] {
        let before = fs::read(world.path(store)).expect("read");
        for args in
            [&["sha1", "t", "--state", store][..], &["jobs", "--state", store], &["status", "x", "--state", store]]
        {
            let done = world.packhorse(args).exits(2);
            assert!(done.err.contains(store), "{args:?}: {}", done.err);
        }
        assert_eq!(fs::read(world.path(store)).expect("read"), before, "{store}");
    }
}

#[test]
fn the_views_explain_a_store_in_the_sqlite3_shell() {
    let world = World::new();
    super::hostile::plant(&world, "t");
    let done = world.packhorse(["sha1", "t", "--follow", "--state", "store", "--job", "j"]).exits(1);
    let files = world.sql("store", "SELECT count(*), count(digest), count(path_base64) FROM files");
    let lines = done.out.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(files, format!("{lines}|{lines}|2"));
    let one = world.sql("store", "SELECT root, size, task_status, digest FROM files WHERE path = 'a.b'");
    assert!(one.starts_with("0 /") && String::from_utf8_lossy(&done.out).contains(&one[one.len() - 40..]), "{one}");
    let failures = world.sql("store", "SELECT path, reason FROM failures ORDER BY path");
    assert_eq!(failures.lines().next(), Some("t/a/up|a loop of links"), "{failures}");
    assert_eq!(failures.lines().count(), 4);
    let summary = world.sql("store", "SELECT job, workload, state, items_failed FROM job_summary");
    assert_eq!(summary, "j|digest|finished|4");
}

#[test]
fn jobs_that_are_spelt_alike_in_two_directories_are_two() {
    let world = World::new();
    for (place, text) in [("a", "one"), ("b", "two")] {
        world.file(format!("{place}/t/file"), text);
        world.file(format!("{place}/t/{place}"), text);
    }
    let sha1 = |place: &str| {
        let command = format!("cd {place} && exec \"$0\" sha1 -q t --state ../store");
        world.command("sh", ["-c", &command, env!("CARGO_BIN_EXE_packhorse")]).done().exits(0).out
    };
    for place in ["a", "b", "a"] {
        let wanted = world.command("sh", ["-c", &format!("cd {place} && sha1sum t/*")]).done().exits(0).out;
        let mut lines: Vec<_> = wanted.split_inclusive(|&byte| byte == b'\n').collect();
        lines.sort_by_key(|line| line[40..].to_vec());
        assert_same(&sha1(place), &lines.concat());
    }
    assert_eq!(world.sql("store", "SELECT count(DISTINCT spec) FROM jobs"), "2");
}

#[test]
fn two_names_of_one_store_are_one_store() {
    let world = World::new();
    world.sparse("t/a", 1 << 40);
    let run = world.command(PACKHORSE, ["sha1", "-q", "t", "--state", "store"]).start();
    eventually("it runs", || status(&world));
    std::os::unix::fs::symlink("store", world.path("link")).expect("made");
    let done = world.packhorse(["sha1", "-q", "t", "--state", "link"]).exits(2);
    assert!(done.err.contains("the store link is in use by another process"), "{}", done.err);
    run.kill();
}

#[test]
fn a_command_leaves_the_other_jobs_of_its_store_alone() {
    let world = World::new();
    world.tree("a", 50);
    world.tree("b", 50);
    world.sparse("a/z", 1 << 40);
    let run = |tree: &'static str| ["sha1", tree, "--state", "s", "--job", tree];
    let running = world.command(PACKHORSE, run("a")).start();
    running.opens(&world.path("a/z"));
    running.kill();
    assert_same(&world.packhorse(run("b")).exits(0).out, &world.sha1sum(&["b"]));
    // Nobody has its files there: no task of it was sent again, and none refused.
    let untouched = "SELECT resends, (SELECT count(*) FROM dead_letters) FROM job_summary WHERE job = 'a'";
    assert_eq!(world.sql("s", untouched), "0|0");
    world.file("a/z", "cut");
    assert_same(&world.packhorse(run("a")).exits(0).out, &world.sha1sum(&["a"]));
}

#[test]
fn a_link_to_a_store_that_is_not_made_yet_is_a_name_of_it() {
    let world = World::new();
    world.sparse("t/z", 1 << 40);
    fs::create_dir(world.path("d")).expect("made");
    std::os::unix::fs::symlink("d/s", world.path("link")).expect("a link");
    let running = world.command(PACKHORSE, ["sha1", "t", "--state", "link"]).start();
    running.opens(&world.path("t/z"));
    for name in ["link", "d/s"] {
        let refused = world.packhorse(["sha1", "t", "--state", name]).exits(2);
        assert!(refused.err.contains("in use"), "{name}: {}", refused.err);
    }
}
