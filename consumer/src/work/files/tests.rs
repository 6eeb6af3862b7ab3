//! Files and directories that are replaced while a task runs, for every workload over files.
//!
//! - here: links take the place of a directory and of a file; nothing outside the root is read,
//!   with `openat2` and without
//! - `roots`: another directory takes the place of a root
//! - `recent`: files change while they are read, and just before

mod recent;
mod roots;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::protocol::workload::digest::{self, Algorithm};
use shared::protocol::workload::files::{Files, Item, Links};
use shared::protocol::workload::words::{self, Manner, Mode};

use crate::work::{Context, Site, WorkError, work};

/// Duration of each race: one for each workload, way of opening and rule for links.
const RACE: Duration = Duration::from_millis(700);

const SECRET: &[u8] = b"a secret that nobody asked for\n";

/// The result for the one file `d/f`, which depends on its content; `None` if it failed.
fn read(site: &Site, workload: Workload, links: Links) -> Option<String> {
    try_read(site, workload, links, &|| false).expect("one bad item fails alone")
}

fn try_read(
    site: &Site,
    workload: Workload,
    links: Links,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<String>, WorkError> {
    let items = vec![Item { path: (&b"d/f"[..]).into(), size: 0, times: None }];
    let files = Files { links, root: "r".to_owned(), items, strict_times: false };
    let body = match workload {
        Workload::Digest => Payload::of(&digest::Batch { algorithm: Algorithm::Sha1, files }),
        _ => {
            let manner = Manner { mode: Mode::Ascii, characters: true, frequencies: true };
            Payload::of(&words::Batch { manner, files })
        }
    };
    let mut parts = Vec::new();
    let mut publish = |piece: crate::work::Piece| {
        parts.push(format!("{:?}", piece.body));
        Ok(())
    };
    let context = Context { site, planned_at: None, cancelled, publish: &mut publish, early: None };
    let answer = work(workload, &body, context)?;
    let seen = match workload {
        Workload::Digest => digest::Answer::parse(&answer, 1).expect("an answer").digests[0].clone(),
        _ => words::Answer::parse(&answer, 1).expect("an answer").counts[0].map(|counts| format!("{counts:?}")),
    };
    Ok(seen.map(|seen| seen + &parts.concat()))
}

/// Swaps the directory and the file with links to outside until told to stop.
fn swap(root: &Path, stop: &AtomicBool) {
    let moves = [("d", "aside"), ("dirlink", "d"), ("d", "dirlink"), ("aside", "d")];
    let inner = [("d/f", "kept"), ("filelink", "d/f"), ("d/f", "filelink"), ("kept", "d/f")];
    while !stop.load(Ordering::Relaxed) {
        for (from, to) in moves.iter().chain(&inner) {
            let _ = fs::rename(root.join(from), root.join(to));
        }
    }
}

fn race(workload: Workload, links: Links, by_hand: bool) {
    let (dir, outside) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let root = dir.path();
    fs::write(outside.path().join("f"), SECRET).expect("a file");
    fs::create_dir(root.join("d")).and_then(|()| fs::write(root.join("d/f"), b"inside")).expect("a file");
    std::os::unix::fs::symlink(outside.path(), root.join("dirlink")).expect("a link");
    std::os::unix::fs::symlink(outside.path().join("f"), root.join("filelink")).expect("a link");
    let mut site = Site::new();
    site.add_root("r", root).expect("it is there");
    if by_hand {
        site.root("r").expect("just added").forgo_openat2();
    }
    let wanted = read(&site, workload, Links::Skip);
    assert!(wanted.is_some());
    let stop = AtomicBool::new(false);
    let mut seen = Vec::new();
    // No assertion in here: a panic would leave the other thread running for ever.
    thread::scope(|scope| {
        scope.spawn(|| swap(root, &stop));
        let began = Instant::now();
        while began.elapsed() < RACE {
            seen.push(read(&site, workload, links));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let what = format!("{workload} with links {links:?}, by hand: {by_hand}, {} reads", seen.len());
    assert!(seen.contains(&None) && seen.contains(&wanted), "the race was no race: {what}");
    assert!(seen.iter().flatten().all(|seen| Some(seen) == wanted.as_ref()), "read outside its root: {what}");
}

#[test]
fn links_swapped_in_while_a_file_is_opened_never_lead_outside() {
    for workload in [Workload::Digest, Workload::Words] {
        for links in [Links::Skip, Links::FollowInside] {
            race(workload, links, false);
            race(workload, links, true);
        }
    }
}
