//! Digests equal those of coreutils; a file that changes while it is read has none.

use std::cell::Cell;
use std::io::Write;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use shared::protocol::limits::TASK_ITEMS_MAX;
use shared::protocol::reason::Reason;

use super::super::reader::SMALL_MAX;
use super::*;
use crate::work::files::READ_BYTES;

/// Digests by coreutils, with `-z` so that no name is escaped.
fn sha1sum(root: &Root, paths: &[&[u8]]) -> Vec<Option<String>> {
    let names = paths.iter().map(|path| OsStr::from_bytes(path));
    let output =
        Command::new("sha1sum").args(["-z", "--"]).args(names).current_dir(root.dir.path()).output().expect("sha1sum");
    assert!(output.status.success());
    let lines = output.stdout.split(|&b| b == 0).filter(|line| !line.is_empty());
    lines.map(|line| Some(String::from_utf8_lossy(&line[..40]).into_owned())).collect()
}

#[test]
fn differential_hostile_names() {
    let long = [b'n'; 255];
    let deep = "d/".repeat(60) + "deep";
    let mut names: Vec<&[u8]> =
        vec![b"new\nline", b"tab\t", b"cr\r", b"back\\slash", b"-rf", b" lead", b"\xff\xfe/\x01", b"a.b", b"a/x"];
    names.extend([&long[..], deep.as_bytes()]);
    for root in [Root::new(), Root::by_hand()] {
        for (serial, name) in names.iter().enumerate() {
            root.write(name, &[serial as u8]);
        }
        assert_eq!(root.work(Links::Skip, &names).digests, sha1sum(&root, &names));
    }
}

#[test]
fn differential_sizes() {
    let root = Root::new();
    let around = |size: usize| [size - 1, size, size + 1];
    let sizes = [&[0, 1, 55, 4096, 3 * READ_BYTES][..], &[56, 64, SMALL_MAX, READ_BYTES].map(around).concat()].concat();
    let names: Vec<_> = sizes.iter().map(|size| format!("{size}")).collect();
    for (name, size) in names.iter().zip(sizes.iter().copied()) {
        let content: Vec<u8> = (0..size).map(|at| (at * 31 + size) as u8).collect();
        root.write(name.as_bytes(), &content);
    }
    fs::hard_link(root.path("64"), root.path("hard")).expect("a hard link");
    let names: Vec<_> = names.iter().map(String::as_bytes).chain([&b"hard"[..]]).collect();
    let answer = root.work(Links::Skip, &names);
    assert_eq!(answer.digests, sha1sum(&root, &names));
    assert_eq!(answer.bytes, sizes.iter().sum::<usize>() as u64 + 64);
}

/// The reported sizes of these files are 0, or a page.
#[cfg(target_os = "linux")]
#[test]
fn what_the_kernel_makes_up_is_digested_as_it_reads() {
    for (place, paths) in [
        // The last file is longer than one read of a small file.
        ("/proc", &[&b"version"[..], b"sys/kernel/ostype", b"sys/kernel/pid_max", b"kallsyms"][..]),
        ("/sys/devices/system/cpu", &[b"online"]),
    ] {
        let mut root = Root::new();
        root.site = Site::new();
        root.site.add_root("r", Path::new(place)).expect("it is there");
        let answer = root.work(Links::Skip, paths);
        assert_eq!(answer.failed, []);
        let whole = paths.iter().map(|path| Path::new(place).join(OsStr::from_bytes(path)).into_os_string());
        let whole: Vec<_> = whole.collect();
        let wanted = sha1sum(&root, &whole.iter().map(|path| path.as_bytes()).collect::<Vec<_>>());
        assert_eq!(answer.digests, wanted);
    }
}

/// Calls `change` once, after the first chunk of the one file.
fn while_read(root: &Root, change: impl Fn()) -> Answer {
    let calls = Cell::new(0);
    let hook = || {
        calls.set(calls.get() + 1);
        // The first check for cancellation comes before the item, the second after its first chunk.
        if calls.get() == 2 {
            change();
        }
        false
    };
    let answer = root.try_work(Links::Skip, &[b"f"], &hook).expect("an answer");
    assert!(calls.get() >= 2, "the file was read in one go");
    answer
}

#[test]
fn a_file_that_changes_while_it_is_read_has_no_digest() {
    let root = Root::new();
    let file = || fs::OpenOptions::new().write(true).open(root.path("f")).expect("it is there");
    let shrink = || file().set_len(10).expect("shrunk");
    let shrink_to_read = || file().set_len(READ_BYTES as u64).expect("shrunk");
    let grow = || {
        let mut file = fs::OpenOptions::new().append(true).open(root.path("f")).expect("it is there");
        file.write_all(b"more").expect("grown");
    };
    let overwrite = || file().write_all(b"other").expect("overwritten");
    let changes: [&dyn Fn(); 4] = [&shrink, &shrink_to_read, &grow, &overwrite];
    for (serial, change) in changes.into_iter().enumerate() {
        root.write(b"f", &vec![0; 2 * READ_BYTES + 5]);
        // Longer than a tick of the file system's clock, or the second write gets the same time.
        sleep(Duration::from_millis(30));
        let answer = while_read(&root, change);
        assert_eq!(answer.failed.len(), 1, "change {serial}");
        assert_eq!(answer.failed[0].reason, "changed while it was read");
        assert_eq!(answer.bytes, 0);
    }
}

#[test]
fn a_file_that_is_removed_or_replaced_while_it_is_read_is_the_one_that_was_opened() {
    let root = Root::new();
    root.write(b"f", &vec![7; 2 * READ_BYTES]);
    // A file that changed just now would be opened again.
    sleep(Duration::from_millis(30));
    let expected = sha1sum(&root, &[b"f"]);
    root.write(b"g", b"other");
    // A rename over the file removes its last link, which changes its stamp: the file has its old
    // digest or none.
    let answer = while_read(&root, || fs::rename(root.path("g"), root.path("f")).expect("renamed"));
    assert!(answer.digests == expected || answer.failed[0].reason == "changed while it was read");
}

#[test]
fn a_cancelled_task_fails_between_items_and_within_one() {
    let root = Root::new();
    root.write(b"f", &vec![0; 4 * READ_BYTES]);
    for allowed in 0..4 {
        let calls = Cell::new(0);
        let hook = || calls.replace(calls.get() + 1) >= allowed;
        assert_eq!(root.try_work(Links::Skip, &[b"f"], &hook), Err(cancelled()), "after {allowed} questions");
    }
}

#[test]
fn one_bad_item_fails_alone() {
    let root = Root::new();
    root.write(b"a", b"1").write(b"c", b"2").write(b"file", b"3");
    let answer = root.work(Links::Skip, &[b"a", b"b", b"file/x", &[b'n'; 256], b"c"]);
    let reasons: Vec<_> = answer.failed.iter().map(|failed| (failed.item, failed.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (1, "No such file or directory (vanished after it was listed)"),
            (2, "Not a directory"),
            (3, "File name too long"),
        ]
    );
    assert!(answer.digests[0].is_some() && answer.digests[4].is_some());
    assert_eq!(answer.bytes, 2);
}

#[test]
fn what_no_honest_planner_sends_is_rejected() {
    let root = Root::new();
    let work = |body: &[u8]| {
        let body = Payload::json(body.to_vec());
        let context =
            Context { site: &root.site, planned_at: None, cancelled: &|| false, publish: &mut |_| Ok(()), early: None };
        crate::work::work(Workload::Digest, &body, context)
    };
    let rejected = |body: &[u8]| match work(body) {
        Err(WorkError::Rejected(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert!(matches!(rejected(b"{"), Reason::Body { .. }));
    assert!(matches!(rejected(&body(Links::Skip, &[b"../x"])), Reason::PathEscapes { .. }));
    assert!(matches!(rejected(&body(Links::Skip, &vec![&b"x"[..]; TASK_ITEMS_MAX + 1])), Reason::Body { .. }));
    let other = String::from_utf8_lossy(&body(Links::Skip, &[])).replace("\"r\"", "\"other\"");
    assert_eq!(rejected(other.as_bytes()).to_string(), "not served here: root \"other\"");
}
