//! Outputs that take nothing, and outputs that are open already: nothing is lost without a word, and
//! nothing that was there before is replaced.

use std::fs;
use std::os::unix::fs::symlink;

use crate::horse_rider::example;
use crate::world::{CONSUMER, Done, PACKHORSE, PRODUCER, REDUCER, World, assert_same};

/// A broker where nobody listens.
const NOBODY: [&str; 4] = ["--broker", "amqp://127.0.0.1:1", "--connect-timeout", "0.1"];

fn small() -> World {
    let world = World::new();
    world.file("t/a", "1");
    world.file("t/b", "2 2");
    world
}

/// Runs `program ARGS REDIRECTION` by a shell.
fn redirected(world: &World, program: &str, args: &[&str], redirection: &str) -> Done {
    let script = format!(r#"program=$0; "$program" "$@" {redirection}"#);
    world.command("bash", [&["-c", &script, program], args].concat()).done()
}

fn loses_nothing_without_a_word(world: &World, program: &str, args: &[&str]) {
    for (redirection, why) in [
        (">&-", "it is closed"),
        ("1</dev/null", "it is open for reading alone"),
        (">/dev/full", "No space left on device"),
    ] {
        let done = redirected(world, program, args, redirection);
        let shown = format!("{args:?} {redirection}: {done:?}");
        assert_eq!(done.code, 3, "{shown}");
        assert!(done.err.contains("standard output: ") && done.err.contains(why), "{shown}");
    }
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let world = small();
    world.packhorse(["sha1", "-q", "t", "--state", "s", "--job", "j"]).exits(0);
    let by_program: [(&str, &[&[&str]]); 5] = [
        (
            PACKHORSE,
            &[
                &["sha1", "t"],
                &["sha1", "--json", "t"],
                &["sha1", "--json", "t", "-o", "m"],
                &["sha1", "t", "-o", "/dev/stdout"],
                &["words", "t"],
                &["words", "t", "-o", "m", "--frequencies", "-"],
                &["jobs", "--state", "s"],
                &["status", "j", "--state", "s"],
                &["explain", "j", "--state", "s"],
                &["dead", "list", "--state", "s"],
                &["topology", "--definitions"],
                &["completions", "bash"],
                &["man"],
                &["--help"],
                &["--version"],
                &["sha1", "--help"],
            ],
        ),
        (PRODUCER, &[&["--help"], &["--version"]]),
        (CONSUMER, &[&["--help"], &["--version"]]),
        (REDUCER, &[&["--help"], &["--version"]]),
        (example().to_str().expect("a plain path"), &[&["--help"], &["launch", "--whips", "10"]]),
    ];
    for (program, commands) in by_program {
        commands.iter().for_each(|args| loses_nothing_without_a_word(&world, program, args));
    }
    let producer = [&["sha1", "t", "--job", "j"], &NOBODY[..]].concat();
    loses_nothing_without_a_word(&world, PRODUCER, &producer);
    // Its id is printed when its job is open: before that nothing is written, but a stream that is closed is told.
    let done = redirected(&world, PRODUCER, &[&["sha1", "t"], &NOBODY[..]].concat(), ">&-");
    assert!(done.code == 3 && done.err.contains("standard output: it is closed"), "{done:?}");
}

#[test]
fn it_is_told_before_anything_is_changed() {
    let world = small();
    for args in [&["key", "new", "k"][..], &["cancel", "j", "--state", "s"], &["dead", "drop", "--state", "s"]] {
        let done = redirected(&world, PACKHORSE, args, ">&-").exits(3);
        assert!(done.err.contains("standard output: it is closed"), "{args:?}: {}", done.err);
    }
    let reducer = [&["--job", "j", "--state", "s"], &NOBODY[..]].concat();
    let done = redirected(&world, REDUCER, &reducer, ">&-").exits(3);
    assert!(done.err.contains("standard output: it is closed"), "{}", done.err);
    assert_eq!(world.names("."), ["t"]);
}

#[test]
fn what_needs_no_output_runs_without_one() {
    let world = small();
    let wanted = world.sha1sum(&["t"]);
    for redirection in [">&-", "1</dev/null"] {
        redirected(&world, PACKHORSE, &["sha1", "t", "-o", "m"], redirection).exits(0);
        assert_same(&fs::read(world.path("m")).expect("a report"), &wanted);
        // A service has no results to print.
        let done = redirected(&world, REDUCER, &[&["--state", "s"], &NOBODY[..]].concat(), redirection).exits(3);
        assert!(done.err.contains("cannot reach the broker"), "{}", done.err);
    }
    assert_same(&redirected(&world, PACKHORSE, &["sha1", "t"], "2>&-").exits(0).out, &wanted);
    redirected(&world, PACKHORSE, &["sha1"], "2>&-").exits(2);
    // As supervisors open it, for reading and writing.
    redirected(&world, PACKHORSE, &["sha1", "t"], "<>/dev/null >&0").exits(0);
    for args in ["--help", "--version", "man"] {
        redirected(&world, PACKHORSE, &[args], "| true; exit ${PIPESTATUS[0]}").exits(0);
    }
}

#[test]
fn a_descriptor_by_name_is_written_to_where_it_stands() {
    let world = small();
    let wanted = world.sha1sum(&["t"]);
    symlink("/dev/stdout", world.path("one")).expect("made");
    symlink("one", world.path("two")).expect("made");
    for (name, redirection) in [
        ("/dev/stdout", ">>f"),
        ("/dev/fd/1", ">>f"),
        ("/proc/self/fd/1", ">>f"),
        ("one", ">>f"),
        ("two", ">>f"),
        ("/dev/fd/3", "3>>f"),
        // Behind the line that was read of it.
        ("/proc/self/fd/3", "3<&8"),
        ("/dev/stderr", "2>>f"),
    ] {
        let file = world.file("f", "precious\n");
        let script = format!(r#"exec 8<>f; read -r -u 8; program=$0; "$program" "$@" {redirection}"#);
        let args = ["-c", &script, PACKHORSE, "sha1", "-q", "t", "-o", name];
        world.command("bash", args).done().exits(0);
        let text = fs::read(file).expect("read");
        assert_same(&text, &[&b"precious\n"[..], &wanted].concat());
    }
    assert!(fs::symlink_metadata(world.path("two")).expect("it is there").is_symlink());
    let done = redirected(&world, PACKHORSE, &["sha1", "-q", "t", "-o"], "/dev/fd/63 63> >(cat)").exits(0);
    assert_same(&done.out, &wanted);
    redirected(&world, PACKHORSE, &["topology", "--definitions", "-o", "/dev/fd/3"], "3>>f").exits(0);
    assert!(fs::read(world.path("f")).expect("read").starts_with(b"precious\n"));
}

#[test]
fn a_descriptor_that_takes_nothing_is_refused_before_the_work() {
    let world = small();
    world.sparse("t/endless", 1 << 40);
    for (name, redirection, why) in [
        ("/dev/fd/7", "", "descriptor 7 cannot be written to: it is closed"),
        ("/dev/fd/3", "3</dev/null", "descriptor 3 cannot be written to: it is open for reading alone"),
        ("/dev/stdin", "<t/a", "descriptor 0 cannot be written to: it is open for reading alone"),
        ("/dev/stdin", "<&-", "descriptor 0 cannot be written to: it is closed"),
    ] {
        for args in [&["sha1", "t", "-o", name][..], &["words", "t", "-o", "m", "--frequencies", name]] {
            let done = redirected(&world, PACKHORSE, args, redirection).exits(2);
            assert!(done.err.contains(why), "{name} {redirection}: {}", done.err);
        }
    }
    for (args, redirection, why) in [
        (&["-o", "/dev/fd/3", "--frequencies", "/proc/self/fd/3"][..], "3>f", "name one descriptor"),
        (&["--frequencies", "/dev/stdout"], "", "needs standard output for itself"),
        (&["--frequencies", "/dev/fd/3", "-o", "f"], "3>f", "the file that the descriptor of --frequencies goes to"),
        (&["-o", "/dev/fd/3", "--state", "f"], "3>f", "the file that the descriptor of --output goes to"),
        (&["-o", "f", "--frequencies", "-"], ">f", "the file that standard output goes to"),
        (&["-o", "f", "--json"], ">f", "the file that standard output goes to"),
    ] {
        let done = redirected(&world, PACKHORSE, &[&["words", "t"], args].concat(), redirection).exits(2);
        assert!(done.err.contains(why), "{args:?}: {}", done.err);
    }
}

#[test]
fn what_a_descriptor_goes_to_is_left_out_of_the_tree() {
    let world = small();
    let wanted = world.sha1sum(&["t"]);
    let done = redirected(&world, PACKHORSE, &["sha1", "t", "-o", "/dev/fd/3"], "3>t/SUMS").exits(0);
    assert_same(&fs::read(world.path("t/SUMS")).expect("a report"), &wanted);
    assert!(done.err.contains("1 skipped (own file 1)"), "{}", done.err);
    assert!(done.err.contains("sha256sum of the lines on /dev/fd/3"), "{}", done.err);
}

#[test]
fn what_another_process_has_open_is_added_to_and_not_replaced() {
    let world = small();
    let wanted = world.sha1sum(&["t"]);
    let script = r#"exec 5>f; echo precious >&5; "$0" sha1 -q t -o /proc/$$/fd/5; code=$?; echo end >>f; exit $code"#;
    world.command("bash", ["-c", script, PACKHORSE]).done().exits(0);
    assert_same(&fs::read(world.path("f")).expect("read"), &[b"precious\n", &wanted[..], b"end\n"].concat());
}

#[test]
fn an_output_that_would_be_overwritten_or_removed_is_refused() {
    let world = small();
    for (args, redirection, why) in [
        (&["-o", "/dev/fd/3", "--json"][..], "3>f >f", "--output and standard output go to one file"),
        (&["--frequencies", "/dev/fd/3"], "3>f >f", "--frequencies and standard output go to one file"),
        (&["-o", "/dev/fd/3", "--frequencies", "/dev/fd/4"], "3>f 4>>f", "--output and --frequencies go to one file"),
        (&["-o", "/dev/fd/3"], "3>f 2>f", "go to one file"),
        (&[], ">f 2>f", "go to one file"),
        (&["--state", "s", "-o", "s-wal"], "", "s-wal, which belongs to the store of --state"),
        (&["--state", "s", "-o", "s-journal"], "", "s-journal, which belongs to the store of --state"),
        (&["--state", "s", "--frequencies", "./s.lock"], "", "s.lock, which belongs to the store of --state"),
        (&["--state", "s", "-o", "s"], "", "--output and --state name one file"),
    ] {
        let done = redirected(&world, PACKHORSE, &[&["words", "t"], args].concat(), redirection);
        let said = done.err.clone() + &fs::read_to_string(world.path("f")).unwrap_or_default();
        assert!(done.code == 2 && said.contains(why), "{args:?} {redirection}: {done:?} {said}");
    }
    // A store that is there: what it keeps beside it is removed when it is closed.
    world.packhorse(["sha1", "-q", "t", "--state", "s"]).exits(0);
    redirected(&world, PACKHORSE, &["sha1", "t", "--state", "s"], ">s-shm").exits(2);
    // One offset, or none.
    for redirection in [">f 3>&1 2>&1", ">>f 3>>f 2>>f"] {
        let args = ["sha1", "t", "--json", "-o", "/dev/fd/3"];
        fs::write(world.path("f"), "").expect("emptied");
        redirected(&world, PACKHORSE, &args, redirection).exits(0);
        let said = fs::read_to_string(world.path("f")).expect("text");
        assert_eq!(said.matches(r#""type":"file""#).count(), 2, "{said}");
        assert_eq!(said.matches(r#""type":"receipt""#).count(), 1, "{said}");
    }
}

#[test]
fn a_store_where_a_report_could_come_is_refused() {
    let world = small();
    for store in ["out/foo.txt", "out/../out/foo.frequencies"] {
        let done = world.command(REDUCER, ["--output-dir", "out", "--state", store].iter().chain(&NOBODY)).done();
        assert!(done.exits(2).err.contains("could replace the store"), "{store}");
    }
    let done = world.command(REDUCER, ["--output-dir", "out", "--state", "out/foo.db"].iter().chain(&NOBODY)).done();
    assert!(done.exits(3).err.contains("cannot reach the broker"));
    // A service prints nothing that its log could overwrite.
    redirected(&world, REDUCER, &[&["--state", "s"], &NOBODY[..]].concat(), ">log 2>log").exits(3);
}
