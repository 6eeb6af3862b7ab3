//! `packhorse sha1` as its users run it, on one machine.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::world::{PACKHORSE, World, assert_same};

fn small() -> World {
    let world = World::new();
    for (name, content) in [("t/a", "1"), ("t/a.b", "2"), ("t/a0", "3"), ("t/d/e", "4"), ("t/d.x", "5")] {
        world.file(name, content);
    }
    world
}

#[test]
fn it_prints_what_sha1sum_prints_and_sha1sum_accepts_it() {
    let world = World::new();
    world.tree("t", 3_000);
    let done = world.packhorse(["sha1", "t"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["t"]));
    fs::write(world.path("manifest"), &done.out).expect("written");
    world.command("sha1sum", ["--check", "--strict", "--quiet", "manifest"]).done().exits(0);
    assert!(done.err.contains("3000 planned, 3000 done, 0 failed"), "{}", done.err);
}

#[test]
fn the_receipts_digest_is_recomputed_as_it_says() {
    let world = small();
    let done = world.packhorse(["sha1", "t", "-o", "manifest"]).exits(0);
    let line = done.err.lines().find(|line| line.contains("sha256")).expect("the receipt has it");
    let (digest, command) = (line.split_whitespace().nth(1).expect("a digest"), "sha256sum manifest");
    assert!(line.contains(command), "{line}");
    let again = world.command("sha256sum", ["manifest"]).done();
    assert!(String::from_utf8_lossy(&again.out).starts_with(digest), "{line}");
}

#[test]
fn names_are_spelt_as_find_spells_them() {
    let world = small();
    for path in ["t", "./t", "t/d", "t/./d", "t/../t/d", ".", "t/a", "./t/a"] {
        let done = world.packhorse(["sha1", "-q", path]).exits(0);
        assert_same(&done.out, &world.sha1sum(&[path]));
        assert_eq!(done.err, "", "{path}");
    }
    let absolute = world.path("t").display().to_string();
    assert_same(&world.packhorse(["sha1", &absolute]).exits(0).out, &world.sha1sum(&[&absolute]));
}

#[test]
fn trailing_slashes_become_one() {
    let world = small();
    assert_same(&world.packhorse(["sha1", "t///"]).exits(0).out, &world.sha1sum(&["t/"]));
}

#[test]
fn several_paths_make_one_manifest_in_byte_order() {
    let world = small();
    world.file("u/z", "6");
    world.file("t.x", "7");
    let done = world.packhorse(["sha1", "u", "t", "t.x"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["t.x", "t", "u"]));
}

#[test]
fn a_path_given_twice_or_inside_another_is_taken_once() {
    let world = small();
    let once = world.sha1sum(&["t"]);
    for paths in [&["t", "t"][..], &["t", "t/d"], &["t/d", "t"], &["t/d/e", "t"], &["t", "./t"], &["t", "t/"]] {
        let done = world.packhorse([&["sha1"], paths].concat()).exits(0);
        assert_same(&done.out, &once);
    }
    let done = world.packhorse(["sha1", "t/a", "t/a"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["t/a"]));
}

#[test]
fn an_empty_directory_gives_an_empty_manifest() {
    let world = World::new();
    fs::create_dir(world.path("t")).expect("made");
    let done = world.packhorse(["sha1", "t"]).exits(0);
    assert_eq!(done.out, b"");
    assert!(done.err.contains("0 planned"), "{}", done.err);
}

#[test]
fn links_are_skipped_unless_followed_and_loops_are_reported() {
    let world = small();
    symlink("a", world.path("t/link")).expect("made");
    symlink("d", world.path("t/dirlink")).expect("made");
    symlink("..", world.path("t/d/up")).expect("made");
    symlink("nowhere", world.path("t/dangling")).expect("made");
    let done = world.packhorse(["sha1", "t"]).exits(0);
    assert_same(&done.out, &world.sha1sum(&["t"]));
    assert!(done.err.contains("4 skipped (symlink 4)"), "{}", done.err);

    let done = world.packhorse(["sha1", "t", "--follow"]).exits(1);
    let text = String::from_utf8(done.out).expect("UTF-8");
    let names: Vec<_> = text.lines().map(|line| &line[42..]).collect();
    assert_eq!(names, ["t/a", "t/a.b", "t/a0", "t/d.x", "t/d/e", "t/dirlink/e", "t/link"]);
    for failure in ["t/d/up: a loop of links", "t/dirlink/up: a loop of links", "t/dangling: a dangling link"] {
        assert!(done.err.contains(failure), "{failure}: {}", done.err);
    }
}

#[test]
fn a_link_that_leads_outside_fails_unless_that_is_allowed() {
    let world = small();
    world.file("outside/secret", "x");
    symlink("../outside", world.path("t/out")).expect("made");
    symlink("../outside/secret", world.path("t/one")).expect("made");
    let done = world.packhorse(["sha1", "t", "--follow"]).exits(1);
    assert_same(&done.out, &world.sha1sum(&["t"]));
    for name in ["t/out", "t/one"] {
        assert!(done.err.contains(&format!("{name}: leads outside its root")), "{}", done.err);
    }
    let done = world.packhorse(["sha1", "t", "--follow-outside"]).exits(0);
    let text = String::from_utf8(done.out).expect("UTF-8");
    assert!(text.contains("  t/out/secret\n") && text.contains("  t/one\n"), "{text}");
}

#[test]
fn a_path_that_is_itself_a_link_is_followed() {
    let world = small();
    symlink("t", world.path("l")).expect("made");
    symlink("../a", world.path("t/d/file")).expect("made");
    assert_same(&world.packhorse(["sha1", "l"]).exits(0).out, &world.sha1sum(&["l/"]));
    let done = world.packhorse(["sha1", "t/d/file"]).exits(0);
    assert!(done.out.ends_with(b"  t/d/file\n"), "{done:?}");
}

#[test]
fn every_line_of_json_has_a_schema_and_the_last_is_the_receipt() {
    let world = small();
    world.file(crate::world::os(b"t/\xff"), "odd");
    symlink("nowhere", world.path("t/dangling")).expect("made");
    let lines = world.packhorse(["sha1", "--json", "--follow", "t"]).exits(1).json();
    assert!(lines.iter().all(|line| line["schema"] == 1), "{lines:?}");
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().expect("a type")).collect();
    assert_eq!(types.iter().filter(|kind| **kind == "file").count(), 6);
    assert_eq!(types.iter().filter(|kind| **kind == "failed").count(), 1);
    let receipt = lines.last().expect("a receipt");
    assert_eq!((&receipt["type"], &receipt["state"]), (&Value::from("receipt"), &Value::from("finished")));
    for (name, count) in [("items_planned", 7), ("items_done", 6), ("items_failed", 1), ("tasks_open", 0)] {
        assert_eq!(receipt["counts"][name], count, "{name}");
    }
    assert_eq!((&lines[0]["type"], &lines[0]["name"]["path"]), (&Value::from("failed"), &Value::from("t/dangling")));
    let first = &lines[1];
    assert_eq!(first["name"]["path"], "t/a");
    assert_eq!(first["digest"], "356a192b7913b04c54574d18c28d46e6395428ab");
    assert_eq!(first["size"], 1);
    assert!(lines.iter().any(|line| line["name"]["path_base64"] == "dC//"), "{lines:?}");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let world = small();
    fs::write(world.path("manifest"), "old").expect("written");
    let done = world.packhorse(["sha1", "t", "-o", "manifest"]).exits(0);
    assert_eq!(done.out, b"");
    assert_same(&fs::read(world.path("manifest")).expect("read"), &world.sha1sum(&["t"]));
    // A directory in its place: the rename fails at the end.
    fs::create_dir(world.path("taken")).expect("made");
    let done = world.packhorse(["sha1", "t", "-o", "taken"]);
    assert!(matches!(done.code, 2 | 3) && done.err.contains("taken"), "{done:?}");
    let done = world.packhorse(["sha1", "t", "-o", "none/manifest"]);
    assert!(matches!(done.code, 2 | 3) && done.err.contains("none/manifest"), "{done:?}");
    assert_eq!(world.names("."), ["manifest", "t", "taken"]);
    assert!(world.names("taken").is_empty() && world.temporary().is_empty());
}

#[test]
fn a_manifest_beside_failures_is_written_and_the_exit_code_is_1() {
    let world = small();
    symlink("nowhere", world.path("t/dangling")).expect("made");
    world.packhorse(["sha1", "t", "--follow", "-o", "manifest"]).exits(1);
    assert_same(&fs::read(world.path("manifest")).expect("read"), &world.sha1sum(&["t"]));
}

#[test]
fn a_path_that_is_not_there_is_named_and_nothing_is_done() {
    let world = small();
    let done = world.packhorse(["sha1", "t", "none"]).exits(2);
    assert_eq!(done.out, b"");
    assert!(done.err.contains("none: No such file or directory"), "{}", done.err);
}

#[test]
fn what_is_no_command_line_exits_2() {
    let world = small();
    world.command("mkfifo", ["fifo"]).done().exits(0);
    for args in [
        &["sha1"][..],
        &["sha1", "--nonsense", "t"],
        &["sha1", "-j", "0", "t"],
        &["sha1", ""],
        &["sha1", "fifo"],
        &["sha1", "--job", "a.b", "t"],
        &["sha1", "--broker", "http://u:s3cret@h", "t"],
        &["producer", "sha1", "t"],
        &["consumer", "--root", "t=t"],
        &["reducer"],
        &["jobs"],
        &["jobs", "--state", "none"],
        &["status", "x", "--state", "none"],
        &["nonsense"],
    ] {
        let done = world.packhorse(args).exits(2);
        assert!(!done.err.is_empty() && done.out.is_empty(), "{args:?}: {done:?}");
        assert!(!done.err.contains("s3cret"), "{args:?}: {}", done.err);
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let world = World::new();
    world.tree("t", 4_000);
    let script = r#""$0" sha1 t | head -n 1; echo "${PIPESTATUS[0]}""#;
    for _ in 0..3 {
        let done = world.command("bash", ["-c", script, PACKHORSE]).done().exits(0);
        let lines: Vec<_> = done.out.split(|&byte| byte == b'\n').collect();
        assert_eq!((lines[1], lines.len()), (&b"0"[..], 3), "{done:?}");
        assert_eq!(done.err, "");
    }
    let json = r#""$0" sha1 --json t | head -n 1 >/dev/null; echo "${PIPESTATUS[0]}""#;
    let done = world.command("bash", ["-c", json, PACKHORSE]).done().exits(0);
    assert_eq!((done.out.as_slice(), done.err.as_str()), (&b"0\n"[..], ""));
    assert!(world.temporary().is_empty());
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let world = small();
    let done = world.command("sh", ["-c", r#""$0" sha1 t >/dev/full"#, PACKHORSE]).done();
    assert!(done.code == 3 && done.err.contains("No space left"), "{done:?}");
}

#[test]
fn nothing_is_left_behind() {
    let world = small();
    world.packhorse(["sha1", "t"]).exits(0);
    world.packhorse(["sha1", "t", "-o", "manifest"]).exits(0);
    world.packhorse(["sha1", "t", "--state", "store"]).exits(0);
    assert_eq!(world.names("."), ["manifest", "store", "t"]);
    assert!(world.temporary().is_empty());
}

#[test]
fn quiet_says_only_what_failed() {
    let world = small();
    assert_eq!(world.packhorse(["sha1", "-q", "t"]).exits(0).err, "");
    symlink("nowhere", world.path("t/dangling")).expect("made");
    let done = world.packhorse(["sha1", "-q", "--follow", "t"]).exits(1);
    assert_eq!(done.err, "packhorse: t/dangling: a dangling link\n");
}

#[test]
fn what_the_command_writes_itself_is_left_out_of_the_tree() {
    let world = small();
    let wanted = world.sha1sum(&["t"]);
    // The second time its report and its state are there from the start.
    for round in 0..2 {
        let done = world.packhorse(["sha1", "t", "-o", "t/SUMS", "--state", "t/d/state"]).exits(0);
        assert_same(&fs::read(world.path("t/SUMS")).expect("a report"), &wanted);
        assert!(done.err.contains("5 planned, 5 done, 0 failed;"), "round {round}: {}", done.err);
    }
    fs::remove_file(world.path("t/d/state")).expect("removed");
    let log = fs::File::create(world.path("t/log")).expect("created");
    let sums = fs::File::create(world.path("t/SUMS")).expect("created");
    let mut command = std::process::Command::new(PACKHORSE);
    let status = command.args(["sha1", "t"]).current_dir(world.path("")).stdout(sums).stderr(log).status();
    assert!(status.expect("it starts").success());
    assert_same(&fs::read(world.path("t/SUMS")).expect("a report"), &wanted);
    let said = fs::read_to_string(world.path("t/log")).expect("a log");
    assert!(said.contains("2 skipped (own file 2)"), "{said}");
    // Where a process was killed that wrote its report, and what counts words.
    world.file("t/.packhorse-a1b2c3.tmp", "half");
    world.file("t/d/.packhorse-a1b2c3.tmp", "a user's own");
    let done = world.packhorse(["words", "t", "-o", "t/SUMS", "--frequencies", "t/often"]).exits(0);
    assert!(done.err.contains("3 skipped (own file 3)"), "{}", done.err);
    // Another name of the older report is another file in the end.
    fs::hard_link(world.path("t/SUMS"), world.path("t/d/SUMS")).expect("linked");
    let done = world.packhorse(["sha1", "t", "-o", "t/SUMS"]).exits(0);
    assert!(done.err.contains("3 skipped (own file 3)"), "{}", done.err);
    assert!(fs::read_to_string(world.path("t/SUMS")).expect("a report").contains("  t/d/SUMS\n"));
    // Named as a file, too: what was in it is gone when the command ends.
    let done = world.packhorse(["sha1", "t/a", "t/SUMS", "-o", "t/SUMS"]).exits(0);
    assert!(done.err.contains("1 planned, 1 done, 0 failed; 1 skipped (own file 1)"), "{}", done.err);
}

#[test]
fn one_file_cannot_take_what_belongs_into_two() {
    let world = small();
    for (first, second) in [("--state", "-o"), ("--state", "--frequencies")] {
        let refused = world.packhorse(["words", "t", first, "s", second, "./s"]).exits(2);
        assert!(refused.err.contains("name one file"), "{}", refused.err);
    }
    let out = fs::File::create(world.path("out")).expect("created");
    let mut command = std::process::Command::new(PACKHORSE);
    let command = command.args(["words", "t", "--frequencies", "out"]).current_dir(world.path("")).stdout(out);
    let said = command.output().expect("it starts").stderr;
    assert!(String::from_utf8_lossy(&said).contains("the file that standard output goes to"), "{said:?}");
    for name in ["", "d/", "new/", ".."] {
        world.packhorse(["sha1", "t", "-o", name]).exits(2);
    }
    symlink("counts", world.path("link")).expect("made");
    for other in ["counts", "./counts", "t/../counts", "link"] {
        if other == "link" {
            world.file("counts", "older");
        }
        let refused = world.packhorse(["words", "t", "-o", "counts", "--frequencies", other]).exits(2);
        assert!(refused.err.contains("name one file"), "{other}: {}", refused.err);
    }
}

#[test]
fn a_link_to_what_is_replaced_is_left_out_with_it() {
    let world = small();
    let wanted = world.sha1sum(&["t"]);
    world.file("t/SUMS", "old");
    symlink("SUMS", world.path("t/latest")).expect("made");
    world.packhorse(["sha1", "--follow", "t", "-o", "t/SUMS"]).exits(0);
    assert_same(&fs::read(world.path("t/SUMS")).expect("a report"), &wanted);
    // Named by a link that leads out of the tree.
    for name in ["t/SUMS", "t/latest"] {
        fs::remove_file(world.path(name)).expect("removed");
    }
    world.file("reports/current", "old");
    symlink("../reports/current", world.path("t/sums")).expect("made");
    for paths in [&["--follow-outside", "t"][..], &["t/a", "t/a.b", "t/a0", "t/d.x", "t/d/e", "t/sums"]] {
        let done = world.packhorse([&["sha1", "-o", "t/sums"], paths].concat()).exits(0);
        assert_same(&fs::read(world.path("reports/current")).expect("a report"), &wanted);
        assert!(done.err.contains("1 skipped (own file 1)"), "{}", done.err);
    }
}

#[test]
fn a_file_that_is_called_like_standard_input_is_told_from_it() {
    let world = World::new();
    for (name, content) in [("-", "a b\n"), ("+", "c"), ("a", "d"), ("--", "e")] {
        world.file(name, content);
    }
    let done = world.packhorse(["sha1", "-q", "--", "a", "-", "--", "+"]).exits(0);
    assert_same(&done.out, &world.command("sha1sum", ["--", "+", "--", "./-", "a"]).done().out);
    fs::write(world.path("manifest"), &done.out).expect("written");
    let checked = world.command("sha1sum", ["--check", "--strict", "manifest"]).done().exits(0);
    assert!(String::from_utf8_lossy(&checked.out).contains("./-: OK"), "{checked:?}");
    let done = world.packhorse(["words", "-q", "--", "-", "a"]).exits(0);
    assert_same(&done.out, &world.command("wc", ["--", "./-", "a"]).done().out);
    let lines = world.packhorse(["sha1", "-q", "--json", "--", "-"]).exits(0).json();
    assert_eq!((&lines[0]["type"], &lines[0]["name"]["path"]), (&Value::from("file"), &Value::from("./-")));
    // Read from its own place, whatever it is called in the report; a failure has the same name.
    let held = world.sparse("-", 1 << 40);
    let run = world.command(PACKHORSE, ["sha1", "-q", "--", "-"]).start();
    run.reads(&held);
    world.file("-", "cut");
    assert_eq!(run.wait().exits(1).err, "packhorse: ./-: changed while it was read\n");
    fs::remove_file(held).expect("removed");
    world.file("-/a", "in a directory");
    let wanted = world.command("sha1sum", ["--", "-/a"]).done().out;
    assert_same(&world.packhorse(["sha1", "-q", "--", "-"]).exits(0).out, &wanted);
}
