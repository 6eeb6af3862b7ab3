//! Another directory takes the place of a root: a task reads the directory that is there when it
//! begins, or fails.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::Root;
use super::*;

const OVER_FILES: [Workload; 2] = [Workload::Digest, Workload::Words];

/// Two releases, each with its own file `d/f`, and a link `now` to the first.
struct Releases(TempDir);

impl Releases {
    fn new() -> Self {
        let releases = Self(tempfile::tempdir().expect("a directory"));
        for name in ["one", "two"] {
            releases.make(name, name);
        }
        symlink("one", releases.path("now")).expect("a link");
        releases
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make(&self, name: &str, content: &str) {
        let directory = self.path(name).join("d");
        fs::create_dir_all(&directory).and_then(|()| fs::write(directory.join("f"), content)).expect("a file");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    /// Points the link `now` to a release, as `ln -sfn` does.
    fn release(&self, name: &str) {
        symlink(name, self.path("next")).expect("a link");
        self.rename("next", "now");
    }

    fn site(&self, name: &str) -> Site {
        let mut site = Site::new();
        site.add_root("r", &self.path(name)).expect("it is there");
        site
    }

    fn fixed(&self, name: &str) -> Site {
        let mut site = Site::new();
        site.add_fixed_root("r", &self.path(name)).expect("it is there");
        site
    }
}

fn reason(read: Result<Option<String>, WorkError>) -> String {
    match read {
        Err(WorkError::Failed(failure)) => failure.reason,
        other => panic!("{other:?}"),
    }
}

/// Does a task, and calls `change` at the first check for cancellation, before the file is opened.
fn meanwhile(site: &Site, workload: Workload, links: Links, change: impl Fn()) -> Result<Option<String>, WorkError> {
    let asked = Cell::new(false);
    let hook = || {
        if !asked.replace(true) {
            change();
        }
        false
    };
    try_read(site, workload, links, &hook)
}

#[test]
fn each_task_reads_the_directory_that_its_root_leads_to_now() {
    for workload in OVER_FILES {
        let releases = Releases::new();
        let (link, directory) = (releases.site("now"), releases.site("two"));
        let of = |site: &Site| read(site, workload, Links::Skip).expect("it is read");
        let (one, two) = (of(&releases.site("one")), of(&releases.site("two")));
        assert_ne!(one, two);
        assert_eq!(of(&link), one);
        releases.release("two");
        assert_eq!(of(&link), two);
        releases.rename("two", "two.gone");
        releases.make("two", "three");
        let three = of(&directory);
        assert!(![&one, &two].contains(&&three) && of(&link) == three);
        // Links are followed in the new directory, too.
        fs::remove_file(releases.path("two/d/f")).expect("removed");
        symlink("g", releases.path("two/d/f")).and_then(|()| fs::write(releases.path("two/d/g"), "one")).expect("made");
        assert_eq!(read(&link, workload, Links::FollowInside), Some(one));
    }
}

#[test]
fn a_root_that_leads_elsewhere_when_its_files_are_read_fails_the_task() {
    for workload in OVER_FILES {
        let releases = Releases::new();
        let (link, directory) = (releases.site("now"), releases.site("two"));
        let swapped = meanwhile(&link, workload, Links::Skip, || releases.release("two"));
        assert!(reason(swapped).contains("leads to another directory now"));
        let gone = meanwhile(&directory, workload, Links::Skip, || releases.rename("two", "two.gone"));
        assert!(reason(gone).contains("No such file or directory"));
        releases.rename("two.gone", "two");
        assert!(read(&link, workload, Links::Skip).is_some() && read(&directory, workload, Links::Skip).is_some());
    }
}

#[test]
fn links_are_not_followed_into_a_tree_that_took_the_place_of_a_root() {
    let releases = Releases::new();
    let site = releases.site("two");
    fs::rename(releases.path("two/d/f"), releases.path("two/d/g")).expect("renamed");
    symlink("g", releases.path("two/d/f")).expect("a link");
    let wanted = read(&site, Workload::Digest, Links::FollowInside);
    assert!(wanted.is_some());
    let swapped = meanwhile(&site, Workload::Digest, Links::FollowInside, || {
        releases.rename("two", "two.gone");
        releases.make("two", "three");
    });
    assert!(reason(swapped).contains("leads to another directory now"));
}

#[test]
fn a_root_that_is_away_is_waited_for_and_then_fails_the_task_with_the_reason() {
    let releases = Releases::new();
    let site = releases.site("two");
    let wanted = read(&site, Workload::Digest, Links::Skip);
    releases.rename("two", "two.gone");
    let cancelled = try_read(&site, Workload::Digest, Links::Skip, &|| true);
    assert_eq!(reason(cancelled), "cancelled");
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            releases.rename("two.gone", "two");
        });
        assert_eq!(read(&site, Workload::Digest, Links::Skip), wanted);
    });
    releases.rename("two", "two.gone");
    let began = Instant::now();
    let away = reason(try_read(&site, Workload::Digest, Links::Skip, &|| false));
    let dir = releases.path("two").display().to_string();
    assert_eq!(away, format!("root \"r\" at {dir} cannot be reached: No such file or directory; is it mounted?"));
    assert!(began.elapsed() >= shared::protocol::limits::ROOT_PATIENCE);
}

#[test]
fn a_root_without_anything_is_told_from_a_file_that_has_vanished() {
    let releases = Releases::new();
    let site = releases.site("two");
    fs::rename(releases.path("two/d/f"), releases.path("two/d/g")).expect("renamed");
    assert_eq!(read(&site, Workload::Digest, Links::Skip), None);
    // An empty directory, as where a file system is not mounted.
    releases.rename("two", "two.gone");
    fs::create_dir(releases.path("two")).expect("made");
    let empty = reason(try_read(&site, Workload::Digest, Links::Skip, &|| false));
    assert!(empty.ends_with(" is an empty directory; is it mounted?"), "{empty}");
    // A fixed root was mounted when it was planned.
    assert_eq!(read(&releases.fixed("two"), Workload::Digest, Links::Skip), None);
}

#[test]
fn a_fixed_root_stays_the_directory_that_it_was() {
    let releases = Releases::new();
    let (link, directory) = (releases.fixed("now"), releases.fixed("two"));
    let one = read(&link, Workload::Digest, Links::Skip);
    assert!(one.is_some() && link.identity("r").is_some() && releases.site("now").identity("r").is_none());
    releases.release("two");
    let failed = |site: &Site| reason(try_read(site, Workload::Digest, Links::Skip, &|| false));
    assert!(failed(&link).ends_with("now is another directory than when the command began"));
    releases.release("one");
    assert_eq!(read(&link, Workload::Digest, Links::Skip), one);
    releases.rename("two", "two.gone");
    // A fixed root is not waited for.
    let began = Instant::now();
    assert!(failed(&directory).contains("No such file or directory"));
    assert!(began.elapsed() < shared::protocol::limits::ROOT_PATIENCE / 2);
}

#[test]
fn more_fixed_roots_than_may_be_held_open_are_compared_all_the_same() {
    let releases = Releases::new();
    let mut site = Site::new();
    for number in 0..Root::HELD_MAX {
        site.add_fixed_root(&format!("{number}"), &releases.path("one")).expect("it is there");
    }
    site.add_fixed_root("r", &releases.path("now")).expect("it is there");
    assert!(!site.root("r").expect("just added").is_held() && site.root("7").expect("added").is_held());
    assert!(read(&site, Workload::Digest, Links::Skip).is_some());
    releases.release("two");
    assert!(try_read(&site, Workload::Digest, Links::Skip, &|| false).is_err());
}

/// Another process opens a root by its path in `/proc`. Linux shows a removed directory there as
/// `NAME (deleted)`, which may be the name of another directory.
#[cfg(target_os = "linux")]
#[test]
fn a_place_leads_to_the_directory_that_is_open_whatever_has_its_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let (root, decoy) = (dir.path().join("root"), dir.path().join("root (deleted)"));
    fs::create_dir_all(&root).expect("a directory");
    let mut site = Site::new();
    site.add_root("r", &root).expect("it is there");
    let open = site.open("r", &|| false).expect("it is there");
    fs::remove_dir(&root).expect("removed");
    fs::create_dir_all(decoy.join("d")).and_then(|()| fs::write(decoy.join("d/f"), SECRET)).expect("a file");
    let place = open.place();
    let mut other = Site::new();
    other.add_root("r", Path::new(OsStr::from_bytes(place.as_bytes()))).expect("it can be opened");
    for links in [Links::Skip, Links::FollowInside] {
        assert!(reason(try_read(&other, Workload::Digest, links, &|| false)).contains("is an empty directory"));
    }
}
