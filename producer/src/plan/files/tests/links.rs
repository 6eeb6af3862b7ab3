//! Links: skipped, followed, refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shared::system::beneath::Beneath;

use super::*;
use crate::plan::files::finding::What;
use crate::plan::files::own::Own;
use crate::plan::files::tree::Tree as Walked;

fn tree() -> (Tree, Tree) {
    let (tree, outside) = (Tree::new(), Tree::new());
    outside.file("secret", 5).file("dir/s", 5);
    tree.file("d/f", 1).file("d/sub/g", 2).file("link0", 3).file("link.x", 3);
    tree.link("link", "d/sub").link("absolute", tree.path("d/f")).link("dangling", "gone").link("self", "self");
    tree.link("d/up", "..").link("out", outside.path("secret")).link("outdir", outside.path("dir"));
    (tree, outside)
}

fn relative(tree: &Tree, links: Links) -> Vec<String> {
    let (spec, dirs) = tree.spec(links);
    let strip = |name: &OsString| Path::new(name).strip_prefix(tree.0.path()).expect("beneath").display().to_string();
    names(&spec, &tasks(&spec, &dirs)).iter().map(strip).collect()
}

#[test]
fn skipped_links_are_counted_and_not_followed() {
    let (tree, _outside) = tree();
    assert_eq!(relative(&tree, Links::Skip), ["d/f", "d/sub/g", "link.x", "link0"]);
    assert_eq!(skipped(&tree.tasks(Links::Skip)), [("symlink".to_owned(), 7)]);
}

#[test]
fn followed_inside_means_inside() {
    let (tree, _outside) = tree();
    // A followed directory stands where its contents sort: between `link.x` and `link0`.
    assert_eq!(relative(&tree, Links::FollowInside), ["absolute", "d/f", "d/sub/g", "link.x", "link/g", "link0"]);
    let outside = "leads outside its root; use --follow-outside to allow it";
    assert_eq!(
        failures(&tree, &tree.tasks(Links::FollowInside)),
        [
            "d/up: a loop of links".to_owned(),
            "dangling: a dangling link".to_owned(),
            format!("out: {outside}"),
            format!("outdir: {outside}"),
            "self: a loop of links".to_owned(),
        ]
    );
}

#[test]
fn differential_followed_anywhere() {
    let (tree, _outside) = tree();
    let (spec, dirs) = tree.spec(Links::FollowAnywhere);
    assert_eq!(names(&spec, &tasks(&spec, &dirs)), find(&["-L"], &[tree.argument("")]));
    let reasons = failures(&tree, &tasks(&spec, &dirs));
    assert_eq!(reasons, ["d/up: a loop of links", "dangling: a dangling link", "self: a loop of links"]);
}

/// Through a link to above the root the walk meets the root again as an ordinary directory.
#[test]
fn a_loop_through_an_ordinary_directory_ends() {
    let tree = Tree::new();
    tree.file("r/f", 1).link("r/up", "..");
    let (spec, dirs) = selection(&[tree.argument("r")], Naming::Local, Links::FollowAnywhere).expect("it is there");
    let tasks = tasks(&spec, &dirs);
    assert_eq!(names(&spec, &tasks).len(), 1);
    assert_eq!(failures(&tree, &tasks), ["r/up/r: a loop of links"]);
}

#[test]
fn a_link_on_the_command_line_is_followed() {
    let (tree, _outside) = tree();
    for (path, links) in [("absolute", Links::FollowInside), ("out", Links::FollowAnywhere), ("d/f", Links::Skip)] {
        let (spec, dirs) = selection(&[tree.argument(path)], Naming::Local, Links::Skip).expect("it is there");
        let tasks = tasks(&spec, &dirs);
        assert_eq!(names(&spec, &tasks), [tree.argument(path)]);
        assert_eq!(batch(&tasks[0]).expect("a batch").links, links);
    }
}

/// While the tree is walked, another thread repeatedly swaps a directory and a file with links to
/// outside. No name and no size from outside is revealed.
#[test]
fn links_swapped_in_while_a_tree_is_walked_never_lead_outside() {
    const RACE: Duration = Duration::from_millis(700);
    for (links, by_hand) in
        [Links::Skip, Links::FollowInside].into_iter().flat_map(|links| [(links, false), (links, true)])
    {
        let (tree, outside) = (Tree::new(), Tree::new());
        outside.file("secret", 4_321).file("sub/secret", 4_321);
        tree.file("d/inside", 5).file("d/sub/inside", 5).file("f", 5);
        tree.link("dirlink", outside.path("")).link("filelink", outside.path("secret"));
        let stop = AtomicBool::new(false);
        let mut seen = Vec::new();
        // No assertion in here: a panic would leave the other thread running for ever.
        thread::scope(|scope| {
            scope.spawn(|| {
                let moves = [("d", "aside"), ("dirlink", "d"), ("d", "dirlink"), ("aside", "d")];
                let files = [("f", "kept"), ("filelink", "f"), ("f", "filelink"), ("kept", "f")];
                while !stop.load(Ordering::Relaxed) {
                    for (from, to) in moves.iter().chain(&files) {
                        let _ = fs::rename(tree.path(from), tree.path(to));
                    }
                }
            });
            let began = Instant::now();
            while began.elapsed() < RACE {
                let beneath = Beneath::default();
                if by_hand {
                    beneath.forgo_openat2();
                }
                let mut walk = Walked::with(beneath, tree.0.path(), None, links, Own::default());
                seen.extend(std::iter::from_fn(|| walk.next()));
            }
            stop.store(true, Ordering::Relaxed);
        });
        let what = format!("{links:?}, by hand: {by_hand}, {} findings", seen.len());
        let names = |word: &str| seen.iter().filter(|(at, _)| at.display().contains(word)).count();
        assert!(names("inside") > 0, "{what}");
        assert_eq!(names("secret"), 0, "{what}");
        let leaked = seen.iter().find(|(_, found)| matches!(found, What::File { size: 4_321, .. }));
        assert!(leaked.is_none(), "{what}: {leaked:?}");
        let refused = |(_, found): &&_| matches!(found, What::Failed(_) | What::Skipped("symlink"));
        assert!(seen.iter().filter(refused).count() > 0, "the race was no race: {what}");
    }
}
