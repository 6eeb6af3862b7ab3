//! Files that change while they are read, and just before.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use shared::protocol::path::PathBytes;

use super::super::recent::Clock;
use super::super::stamp::Time;
use super::super::{Done, Opened, ReadError, each, each_by};
use super::*;

/// A clock that moves only by the time slept.
struct Stopped<'a> {
    now: Cell<Time>,
    waited: Cell<Duration>,
    meanwhile: &'a dyn Fn(),
}

impl<'a> Stopped<'a> {
    /// A clock that shows the time of the file's last change.
    fn at_change_of(path: &Path, meanwhile: &'a dyn Fn()) -> Self {
        let about = fs::metadata(path).expect("it is there");
        let now = (about.ctime(), about.ctime_nsec().cast_unsigned());
        Self { now: Cell::new(now), waited: Cell::default(), meanwhile }
    }
}

impl Clock for Stopped<'_> {
    fn now(&self) -> Time {
        self.now.get()
    }

    fn sleep(&self, duration: Duration) {
        let (second, nanosecond) = self.now.get();
        let moved = Duration::from_nanos(nanosecond) + duration;
        self.now.set((second + moved.as_secs().cast_signed(), moved.subsec_nanos().into()));
        self.waited.set(self.waited.get() + duration);
        (self.meanwhile)();
    }
}

fn root() -> (tempfile::TempDir, Site) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut site = Site::new();
    site.add_root("r", dir.path()).expect("it is there");
    (dir, site)
}

fn files(names: &[&str]) -> Files {
    let items =
        names.iter().map(|name| Item { path: PathBytes::from(name.as_bytes()), size: 0, times: None }).collect();
    Files { links: Links::Skip, root: "r".to_owned(), items, strict_times: false }
}

const TICK: Duration = Duration::from_millis(10);

#[test]
fn what_changed_in_this_moment_is_read_last_after_one_wait() {
    let (dir, site) = root();
    fs::write(dir.path().join("old"), "old").expect("written");
    // Longer than one tick.
    thread::sleep(3 * TICK);
    fs::write(dir.path().join("new"), "new").expect("written");
    // Another name of the same file, so of the same age.
    fs::hard_link(dir.path().join("new"), dir.path().join("link")).expect("linked");
    let clock = Stopped::at_change_of(&dir.path().join("new"), &|| ());
    let seen = RefCell::new(Vec::new());
    let mut take = |at: usize, _: &Opened| {
        seen.borrow_mut().push((at, clock.waited.get()));
        if at == 0 { Err(ReadError::Refused("no")) } else { Ok(()) }
    };
    let names = files(&["new", "old", "gone", "link", "old"]);
    let failed = each_by(&clock, &names, (&site, None), &|| false, &mut take).expect("done").failed;
    let none = Duration::ZERO;
    assert_eq!(seen.into_inner(), [(1, none), (4, none), (0, TICK), (3, TICK)]);
    assert_eq!(failed.iter().map(|failure| failure.item).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn what_is_written_again_meanwhile_is_read_as_it_is_then() {
    let (dir, site) = root();
    let path = dir.path().join("f");
    fs::write(&path, "1").expect("written");
    let write = || fs::write(&path, "12345").expect("written");
    let clock = Stopped::at_change_of(&path, &write);
    let mut sizes = Vec::new();
    let mut take = |_: usize, opened: &Opened| {
        sizes.push(opened.size());
        opened.check(5)
    };
    assert_eq!(each_by(&clock, &files(&["f"]), (&site, None), &|| false, &mut take), Ok(Done::default()));
    assert_eq!((sizes, clock.waited.get()), (vec![5], TICK));
}

#[test]
fn what_vanishes_meanwhile_fails_alone() {
    let (dir, site) = root();
    let path = dir.path().join("f");
    fs::write(&path, "1").and_then(|()| fs::hard_link(&path, dir.path().join("g"))).expect("written");
    let remove = || fs::remove_file(&path).expect("removed");
    let clock = Stopped::at_change_of(&path, &remove);
    let mut seen = Vec::new();
    let mut take = |at: usize, _: &Opened| {
        seen.push(at);
        Ok(())
    };
    let failed = each_by(&clock, &files(&["f", "g"]), (&site, None), &|| false, &mut take).expect("done").failed;
    assert_eq!((failed.len(), failed[0].item, seen), (1, 0, vec![1]));
    assert!(failed[0].reason.contains("vanished"), "{}", failed[0].reason);
}

#[test]
fn a_task_that_is_cancelled_does_not_wait() {
    let (dir, site) = root();
    let path = dir.path().join("f");
    fs::write(&path, "1").expect("written");
    let clock = Stopped::at_change_of(&path, &|| ());
    let asked = Cell::new(false);
    let mut take = |_: usize, _: &Opened| panic!("nobody wants it");
    let done = each_by(&clock, &files(&["f"]), (&site, None), &|| asked.replace(true), &mut take);
    assert_eq!((done, clock.waited.get()), (Err(WorkError::failed("cancelled")), Duration::ZERO));
}

// Without the wait this fails where stamps are as coarse as the system's ticks: on Linux before
// 6.13, and always on a ramfs.
#[test]
fn a_write_in_the_same_moment_as_the_one_before_is_noticed() {
    let (dir, site) = root();
    for round in 0..50 {
        let name = round.to_string();
        let path = dir.path().join(&name);
        fs::write(&path, "old").expect("written");
        let mut take = |_: usize, opened: &Opened| {
            let mut file = fs::File::options().write(true).open(&path).expect("it is there");
            file.write_all(b"new").expect("written");
            opened.check(3)
        };
        let failed = each(&files(&[&name]), (&site, None), &|| false, &mut take).expect("done").failed;
        assert_eq!(failed.len(), 1, "round {round}");
        assert_eq!(failed[0].reason, "changed while it was read");
    }
}
