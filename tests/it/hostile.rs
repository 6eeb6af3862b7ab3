//! Trees that break other tools, and files that change under the reader.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::world::{PACKHORSE, Process, World, assert_same, eventually, os};

/// Larger than anyone reads: its reader is there until the file is cut.
const ENDLESS: u64 = 1 << 40;

/// Names that are hard to print, to sort or to pass on.
const NAMES: [&[u8]; 22] = [
    b"new\nline",
    b"tab\there",
    b"carriage\rreturn",
    b"back\\slash",
    b"back\\nslash n",
    b"\\leading",
    b"-leading dash",
    b"--help",
    b" leading space",
    b"trailing space ",
    b"\xff\xfe not UTF-8",
    b"caf\xc3\xa9",
    b"cafe\xcc\x81",
    b"a.b",
    b"a/inside",
    b"a0",
    b"a-b",
    b"*",
    b"\"quotes\" and 'quotes'",
    b"\x01\x1b[31m\x7f",
    b"$(reboot)",
    b"empty",
];

/// Everything hostile that is no failure.
pub fn plant(world: &World, root: &str) {
    for (number, name) in NAMES.iter().enumerate() {
        let content = if *name == b"empty" { String::new() } else { format!("content {number}") };
        world.file(os(&[root.as_bytes(), b"/", name].concat()), content);
    }
    world.file(format!("{root}/{}", "l".repeat(255)), "long");
    world.file(os(&[root.as_bytes(), b"/", &[b'\xe4'; 255]].concat()), "long and not UTF-8");
    world.file(format!("{root}/{}deep", "d/".repeat(60)), "sixty levels");
    let at = |name: &str| world.path(format!("{root}/{name}"));
    fs::hard_link(at("a0"), at("hard link")).expect("made");
    symlink("loop2", at("loop1")).expect("made");
    symlink("loop1", at("loop2")).expect("made");
    symlink("..", at("a/up")).expect("made");
    symlink("nowhere", at("dangling")).expect("made");
    world.command("mkfifo", [format!("{root}/fifo")]).done().exits(0);
    drop(UnixListener::bind(at("socket")).expect("made"));
}

#[test]
fn a_hostile_tree_gives_what_sha1sum_gives_and_sha1sum_accepts_it() {
    let world = World::new();
    plant(&world, "t");
    let done = world.packhorse(["sha1", "t", "-o", "manifest"]).exits(0);
    assert_same(&fs::read(world.path("manifest")).expect("read"), &world.sha1sum(&["t"]));
    world.command("sha1sum", ["--check", "--strict", "--quiet", "manifest"]).done().exits(0);
    assert!(done.err.contains("(fifo 1, socket 1, symlink 4)"), "{}", done.err);
    let inside = world.command(PACKHORSE, ["sha1", "-q", "."]).done().exits(0);
    // The manifest itself was not there when the first one was made.
    assert_same(&inside.out, &world.sha1sum(&["."]));
}

#[test]
fn links_of_a_hostile_tree_are_failures_when_they_are_followed() {
    let world = World::new();
    plant(&world, "t");
    let done = world.packhorse(["sha1", "--follow", "-q", "t"]).exits(1);
    assert_same(&done.out, &world.sha1sum(&["t"]));
    let mut failures: Vec<_> = done.err.lines().collect();
    failures.sort_unstable();
    let wanted = [
        "packhorse: t/a/up: a loop of links",
        "packhorse: t/dangling: a dangling link",
        "packhorse: t/loop1: a loop of links",
        "packhorse: t/loop2: a loop of links",
    ];
    assert_eq!(failures, wanted);
}

#[test]
fn every_name_survives_json() {
    let world = World::new();
    plant(&world, "t");
    let lines = world.packhorse(["sha1", "--json", "t"]).exits(0).json();
    let mut names: Vec<Vec<u8>> = lines
        .iter()
        .filter(|line| line["type"] == "file")
        .map(|line| match (line["name"]["path"].as_str(), line["name"]["path_base64"].as_str()) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(text)) => shared::protocol::path::from_base64(text).expect("base64"),
            other => panic!("{other:?}"),
        })
        .collect();
    let mut found = world.command("find", ["t", "-type", "f", "-print0"]).done().exits(0).out;
    found.pop();
    let mut found: Vec<_> = found.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    found.sort();
    assert!(names.is_sorted());
    names.sort();
    assert_eq!(names, found);
}

/// As a user who may not read everything: root may, so it becomes someone else.
pub fn as_nobody(world: &World, args: &[&str]) -> Process {
    let is_root = world.command("id", ["-u"]).done().out == b"0\n";
    if !is_root {
        return world.command(PACKHORSE, args).start();
    }
    // Nobody may not be able to reach the program where it was built.
    let program = world.path("../packhorse").display().to_string();
    // By a process: one that another test starts meanwhile would inherit a copy that is open for writing.
    world.command("cp", [PACKHORSE, &program]).done().exits(0);
    let switch = ["--reuid=65534", "--regid=65534", "--clear-groups", &program];
    world.command("setpriv", switch.iter().copied().chain(args.iter().copied())).start()
}

#[test]
fn what_may_not_be_read_fails_alone() {
    let world = World::new();
    world.tree("t", 300);
    let forbid = |name: &str| {
        fs::set_permissions(world.path(name), PermissionsExt::from_mode(0o0)).expect("it is ours");
    };
    let mut wanted = world.sha1sum(&["t"]);
    for (name, hidden) in [("t/001/00150", "t/001/00150"), ("t/002", "t/002/")] {
        forbid(name);
        let keep = |line: &&[u8]| !line.windows(hidden.len()).any(|window| window == hidden.as_bytes());
        wanted = wanted.split_inclusive(|&byte| byte == b'\n').filter(keep).collect::<Vec<_>>().concat();
    }
    let done = as_nobody(&world, &["sha1", "t"]).wait();
    fs::set_permissions(world.path("t/002"), PermissionsExt::from_mode(0o755)).expect("it is ours");
    assert_eq!(done.code, 1, "{}", done.err);
    assert_same(&done.out, &wanted);
    for name in ["t/001/00150", "t/002"] {
        assert!(done.err.contains(&format!("packhorse: {name}: Permission denied\n")), "{}", done.err);
    }
    assert!(done.err.contains("201 planned, 199 done, 2 failed"), "{}", done.err);
}

/// Starts a run that is held up in reading `t/a`: what follows it is listed, and sent after it.
fn held_up(world: &World) -> Process {
    let endless = world.sparse("t/a", ENDLESS);
    let run = world.command(PACKHORSE, ["sha1", "--window", "1", "-q", "t", "--state", "s", "--job", "j"]).start();
    eventually("all is listed", || {
        let status = world.packhorse(["status", "j", "--json", "--state", "s"]);
        (status.code == 0 && status.json()[0]["state"] == "running").then_some(())
    });
    run.reads(&endless);
    run
}

fn cut(path: &Path) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_len(0)).expect("cut");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_fails_alone() {
    let world = World::new();
    world.file("t/b", "b");
    let run = held_up(&world);
    cut(&world.path("t/a"));
    let done = run.wait().exits(1);
    assert_eq!(done.err, "packhorse: t/a: changed while it was read\n");
    assert!(done.out.ends_with(b"  t/b\n") && done.out.iter().filter(|&&byte| byte == b'\n').count() == 1);
}

#[test]
fn what_changes_between_the_walk_and_the_reading_fails_alone_and_leads_nowhere() {
    let world = World::new();
    for name in ["b", "c", "d", "e", "f/inside", "g", "h"] {
        world.file(format!("t/{name}"), name);
    }
    world.file("outside/inside", "must not be read");
    let run = held_up(&world);
    let at = |name: &str| world.path(format!("t/{name}"));
    for name in ["b", "c", "d", "e"] {
        fs::remove_file(at(name)).expect("removed");
    }
    fs::create_dir(at("c")).expect("made");
    symlink("../outside/inside", at("d")).expect("made");
    world.command("mkfifo", ["t/e"]).done().exits(0);
    fs::rename(at("f"), world.path("moved")).expect("moved");
    symlink("../outside", at("f")).expect("made");
    fs::write(at("g"), "larger than it was").expect("written");
    cut(&at("a"));
    let done = run.wait().exits(1);
    let text = String::from_utf8(done.out).expect("UTF-8");
    let names: Vec<_> = text.lines().map(|line| &line[42..]).collect();
    assert_eq!(names, ["t/g", "t/h"], "{}", done.err);
    for (name, reason) in [
        ("a", "changed while it was read"),
        ("b", "No such file or directory (vanished after it was listed)"),
        ("c", "no longer a regular file"),
        ("d", "a symbolic link is in its path now"),
        ("e", "no longer a regular file"),
        ("f/inside", "a symbolic link is in its path now"),
    ] {
        assert!(done.err.contains(&format!("packhorse: t/{name}: {reason}\n")), "{name}: {}", done.err);
    }
    let again = world.sha1sum(&["t/g"]);
    assert!(text.as_bytes().starts_with(&again), "it is read as it is now");
}

/// Files whose size is 0, or a page, whatever they hold.
#[test]
fn what_the_kernel_makes_up_has_the_results_of_other_tools() {
    let world = World::new();
    for paths in [&["/proc/version"][..], &["/sys/devices/system/cpu/online", "/proc/sys/kernel/osrelease"]] {
        let by_name = |tool: &str| {
            let mut paths = paths.to_vec();
            paths.sort_unstable();
            world.command(tool, paths).done().exits(0).out
        };
        assert_same(&world.packhorse([&["sha1", "-q"], paths].concat()).exits(0).out, &by_name("sha1sum"));
        let columns =
            |out: &[u8]| String::from_utf8_lossy(out).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let counted = world.packhorse([&["words", "-q"], paths].concat()).exits(0).out;
        // The columns are as wide as the sizes say.
        assert_eq!(columns(&counted), columns(&by_name("wc")));
    }
    let done = world.packhorse(["sha1", "-q", "/proc/sys/kernel/random"]);
    assert!(!done.err.contains("changed while it was read"), "{}", done.err);
}
