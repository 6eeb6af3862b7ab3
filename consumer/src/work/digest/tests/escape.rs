//! Nothing outside a root is read, whatever takes the place of a file.

use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const SECRET: &[u8] = b"outside";

/// A root with links, and a directory beside it.
fn with_links(root: Root) -> (Root, TempDir) {
    let outside = tempfile::tempdir().expect("a temporary directory");
    fs::write(outside.path().join("f"), SECRET).expect("a file");
    root.write(b"d/f", b"inside").link("file", "d/f").link("dir", "d").link("absolute", root.path("d/f"));
    root.link("out", outside.path().join("f")).link("outdir", outside.path()).link("gone", "nowhere");
    root.link("self", "self").link("root", ".");
    (root, outside)
}

fn both() -> [(Root, TempDir); 2] {
    [with_links(Root::new()), with_links(Root::by_hand())]
}

#[test]
fn skipped_links_are_not_opened() {
    for (root, _outside) in both() {
        for path in ["file", "dir/f", "absolute", "out", "outdir/f", "gone", "self"] {
            assert_eq!(root.reason(Links::Skip, path), "a symbolic link is in its path now", "{path}");
        }
    }
}

#[test]
fn followed_inside_means_inside() {
    for (root, _outside) in both() {
        let inside = root.digest(Links::FollowInside, "d/f");
        for path in ["file", "dir/f", "absolute", "root/dir/f"] {
            assert_eq!(root.digest(Links::FollowInside, path), inside, "{path}");
        }
        for path in ["out", "outdir/f"] {
            assert_eq!(root.reason(Links::FollowInside, path), "leads outside its root", "{path}");
        }
        let gone = "No such file or directory (vanished after it was listed)";
        assert_eq!(root.reason(Links::FollowInside, "gone"), gone);
        assert_eq!(root.reason(Links::FollowInside, "self"), "Too many levels of symbolic links");
        assert_eq!(root.reason(Links::FollowInside, "root"), "no longer a regular file");
    }
}

#[test]
fn followed_anywhere_needs_the_consumers_leave() {
    for (mut root, outside) in both() {
        let inside = root.digest(Links::Skip, "d/f");
        for path in ["out", "outdir/f"] {
            let reason = "leads outside its root; start the consumer with --follow-outside";
            assert_eq!(root.reason(Links::FollowAnywhere, path), reason);
        }
        assert_eq!(root.digest(Links::FollowAnywhere, "file"), inside);
        root.site.allow_follow_outside();
        let mut there = Site::new();
        there.add_root("r", outside.path()).expect("it is there");
        let expected = Root { dir: outside, site: there };
        for path in ["out", "outdir/f"] {
            assert_eq!(root.digest(Links::FollowAnywhere, path), expected.digest(Links::Skip, "f"));
            assert_eq!(root.reason(Links::FollowInside, path), "leads outside its root", "{path}");
        }
    }
}

#[test]
fn what_is_no_file_is_not_read_and_stops_nobody() {
    for root in [Root::new(), Root::by_hand()] {
        assert!(Command::new("mkfifo").arg(root.path("fifo")).status().expect("mkfifo runs").success());
        let _socket = UnixListener::bind(root.path("socket")).expect("a socket");
        fs::create_dir(root.path("dir")).expect("a directory");
        root.link("null", "/dev/null");
        for path in ["fifo", "socket", "dir"] {
            assert_eq!(root.reason(Links::Skip, path), "no longer a regular file", "{path}");
        }
        let mut root = root;
        root.site.allow_follow_outside();
        assert_eq!(root.reason(Links::FollowAnywhere, "null"), "no longer a regular file");
    }
}

/// Opens `d/f` repeatedly while another thread swaps `d` with a link to outside.
fn race(root: Root, links: Links) {
    let outside = tempfile::tempdir().expect("a temporary directory");
    fs::write(outside.path().join("f"), SECRET).expect("a file");
    root.write(b"d/f", b"inside").link("link", outside.path());
    let expected = root.digest(Links::Skip, "d/f");
    let stop = AtomicBool::new(false);
    let mut digests = Vec::new();
    // No assertion in here: a panic would leave the other thread running for ever.
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [("d", "aside"), ("link", "d"), ("d", "link"), ("aside", "d")] {
                    let _ = fs::rename(root.path(from), root.path(to));
                }
            }
        });
        for _ in 0..20_000 {
            let answer = root.try_work(links, &[b"d/f"], &|| false);
            digests.extend(answer.into_iter().flat_map(|answer| answer.digests));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(digests.len(), 20_000);
    assert!(digests.contains(&None) && digests.contains(&Some(expected.clone())), "the race was no race");
    assert!(digests.iter().flatten().all(|digest| *digest == expected), "read outside its root");
}

#[test]
fn a_link_swapped_in_for_a_directory_is_never_followed() {
    for links in [Links::Skip, Links::FollowInside] {
        race(Root::new(), links);
        race(Root::by_hand(), links);
    }
}

#[test]
fn roots_that_cannot_be_served_are_told() {
    let root = Root::new();
    let mut site = Site::new();
    let error = site.add_root("x", &root.path("no")).expect_err("nothing there");
    let dir = root.path("no").display().to_string();
    assert_eq!(error.to_string(), format!("cannot serve root \"x\" from {dir}: No such file or directory"));
    root.write(b"f", b"");
    assert!(site.add_root("x", &root.path("f")).expect_err("a file").to_string().ends_with("Not a directory"));
    site.add_root("x", root.dir.path()).expect("a directory");
    assert!(site.add_root("x", root.dir.path()).is_err());
    assert_eq!(site.root_names().collect::<Vec<_>>(), ["x"]);
}
