//! The walk finds what `find` finds, in byte order.

use super::*;

fn differential(tree: &Tree) {
    let (spec, dirs) = tree.spec(Links::Skip);
    assert_eq!(names(&spec, &tasks(&spec, &dirs)), find(&[], &[tree.argument("")]));
}

#[test]
fn a_directory_sorts_as_its_name_and_a_slash() {
    let tree = Tree::new();
    for name in ["a/x", "a.b", "a-", "a0", "a.d/x", "a-d/x", "a0d/x", "a", "ab/a", "ab.a"] {
        if name != "a" {
            tree.file(name, 1);
        }
    }
    let (spec, dirs) = tree.spec(Links::Skip);
    let names = names(&spec, &tasks(&spec, &dirs));
    let tails: Vec<_> = names.iter().map(|n| Path::new(n).strip_prefix(tree.0.path()).expect("beneath")).collect();
    let expected = ["a-", "a-d/x", "a.b", "a.d/x", "a/x", "a0", "a0d/x", "ab.a", "ab/a"];
    assert_eq!(tails, expected.map(Path::new));
}

#[test]
fn differential_hostile_names() {
    let tree = Tree::new();
    for name in ["new\nline", "tab\t", "cr\r", "back\\slash", "-rf", " lead", "trail ", "*", "\"q\"", "a=b", "..."] {
        tree.bytes(name.as_bytes());
    }
    tree.bytes(b"\xff\xfe").bytes(b"dir\xff/\x01").bytes(&[b'n'; 255]).file("empty", 0);
    fs::hard_link(tree.path("empty"), tree.path("hard")).expect("a hard link");
    tree.file("d/".repeat(60) + "deep", 1);
    differential(&tree);
}

#[test]
fn differential_random_trees() {
    for seed in 0..8 {
        let tree = Tree::new();
        grow(&tree, seed, 120);
        differential(&tree);
    }
}

/// The oracle is `walkdir` with a sort at the end, which shares no code with our walk.
#[test]
fn differential_walk_equals_walkdir() {
    for seed in 100..108 {
        let tree = Tree::new();
        grow(&tree, seed, 150);
        let entries = walkdir::WalkDir::new(tree.path("")).follow_links(false).into_iter();
        let files = entries.map(|entry| entry.expect("readable")).filter(|entry| entry.file_type().is_file());
        let mut expected: Vec<_> = files.map(|file| file.into_path().into_os_string()).collect();
        expected.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        let (spec, dirs) = tree.spec(Links::Skip);
        assert_eq!(names(&spec, &tasks(&spec, &dirs)), expected, "seed {seed}");
    }
}

#[test]
fn an_empty_tree_has_no_tasks() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path("a/b")).expect("directories");
    assert!(tree.tasks(Links::Skip).is_empty());
}

#[test]
fn what_is_no_file_is_counted() {
    let tree = Tree::new();
    tree.file("f", 3).special().link("l", "f");
    let tasks = tree.tasks(Links::Skip);
    assert_eq!(tasks.len(), 1);
    assert_eq!((tasks[0].items, tasks[0].bytes), (1, 3));
    assert_eq!(skipped(&tasks), [("fifo".into(), 1), ("socket".into(), 1), ("symlink".into(), 1)]);
    let device = Path::new("/dev/null");
    if device.exists() {
        tree.link("null", device);
        assert!(skipped(&tree.tasks(Links::FollowAnywhere)).contains(&("device".into(), 1)));
    }
}

/// Tests a directory that cannot be listed, by a means that works even if the test runs as root.
#[test]
fn a_directory_that_cannot_be_listed_fails_alone() {
    let tree = Tree::new();
    tree.file("a", 1).file("z", 1);
    let script = "mkdir m && cd m && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do \
                  n=$(printf '%0250d' $i); mkdir $n && cd -P ./$n || exit 1; : > f; done";
    let made = Command::new("sh").args(["-c", script]).current_dir(tree.0.path()).status().expect("sh runs");
    assert!(made.success());
    let tasks = tree.tasks(Links::Skip);
    let failures = failures(&tree, &tasks);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].ends_with(": File name too long"), "{failures:?}");
    let items: u32 = tasks.iter().map(|task| task.items).sum();
    assert!((14..=18).contains(&items), "{items} items");
}

#[test]
fn a_root_that_vanished_is_one_failure() {
    let tree = Tree::new();
    tree.file("d/f", 1);
    let (spec, dirs) = selection(&[tree.argument("d/")], Naming::Local, Links::Skip).expect("it is there");
    fs::remove_dir_all(tree.path("d")).expect("it was there");
    let tasks = tasks(&spec, &dirs);
    assert_eq!(failures(&tree, &tasks), ["d: No such file or directory"]);
    assert!(tasks.len() == 1 && tasks[0].body.is_none() && tasks[0].items == 0);
}

#[test]
fn the_first_task_is_handed_out_before_the_walk_comes_to_its_end() {
    let tree = Tree::new();
    for serial in 0..100 {
        tree.file(format!("{serial:03}/file"), 1);
    }
    let (spec, dirs) = tree.spec(Links::Skip);
    let mut plan = FilesPlan::new(spec, &dirs).expect("a plan");
    assert_eq!(plan.next_task(|files| Payload::of(&files)).expect("a task").number, 0);
    // The walk has not reached this directory yet, so the new file is found.
    tree.file("099/late", 1);
    let items: u32 = std::iter::from_fn(|| plan.next_task(|files| Payload::of(&files))).map(|task| task.items).sum();
    assert_eq!(items, 101 - 16);
}
