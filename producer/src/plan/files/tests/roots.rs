//! Another directory takes the place of a root: a walk reads one directory, and reports when its
//! path leads elsewhere.

use shared::system::beneath::DirectoryIdentity;

use super::*;

/// Two releases with the same files, more than the first task holds, and a link `now` to the first.
fn releases() -> Tree {
    let tree = Tree::new();
    for number in 0..40 {
        tree.file(format!("one/{number:02}"), 1).file(format!("two/{number:02}"), 2);
    }
    tree.link("now", "one").link("one/link", "00");
    tree
}

/// Points the link `now` to a release, as `ln -sfn` does.
fn release(tree: &Tree, name: &str) {
    tree.link("next", name);
    fs::rename(tree.path("next"), tree.path("now")).expect("renamed");
}

/// Plans `now` and calls `change` after the first task.
fn planned(tree: &Tree, links: Links, change: impl FnOnce()) -> Vec<Planned> {
    let (spec, dirs) = selection(&[tree.argument("now")], Naming::Local, links).expect("it is there");
    let mut plan = FilesPlan::new(spec, &dirs).expect("a plan");
    let first = plan.next_task(|files| Payload::of(&files)).expect("a task");
    change();
    std::iter::once(first).chain(std::iter::from_fn(|| plan.next_task(|files| Payload::of(&files)))).collect()
}

fn sizes(tasks: &[Planned]) -> Vec<u64> {
    tasks.iter().filter_map(batch).flat_map(|files| files.items).map(|item| item.size).collect()
}

#[test]
fn a_walk_is_of_one_directory_and_fails_its_root_when_that_was_replaced() {
    for links in [Links::Skip, Links::FollowInside, Links::FollowAnywhere] {
        let tree = releases();
        let tasks = planned(&tree, links, || {});
        assert_eq!(failures(&tree, &tasks), [""; 0], "{links:?}");
        let tasks = planned(&tree, links, || release(&tree, "two"));
        assert!(sizes(&tasks).iter().filter(|&&size| size == 1).count() >= 40, "{links:?}: {tasks:?}");
        let wanted = "now: was replaced by another directory while the command ran";
        assert!(failures(&tree, &tasks).contains(&wanted.to_owned()), "{links:?}");
    }
    let tree = releases();
    let tasks = planned(&tree, Links::Skip, || fs::remove_file(tree.path("now")).expect("removed"));
    assert_eq!(failures(&tree, &tasks), ["now: went away while it was walked: No such file or directory"]);
}

#[test]
fn a_walk_of_another_directory_than_the_one_that_is_worked_on_is_refused() {
    let tree = releases();
    let (spec, dirs) = selection(&[tree.argument("now")], Naming::Local, Links::Skip).expect("it is there");
    let identity = DirectoryIdentity::at(&tree.path("now")).expect("it is there");
    let plan = || {
        let mut plan = FilesPlan::new(spec.clone(), &dirs).expect("a plan");
        plan.expect(&|root| (root == spec.roots[0].name).then_some(identity));
        let tasks: Vec<_> = std::iter::from_fn(|| plan.next_task(|files| Payload::of(&files))).collect();
        (sizes(&tasks).len(), failures(&tree, &tasks))
    };
    assert_eq!(plan(), (40, Vec::new()));
    release(&tree, "two");
    assert_eq!(plan(), (0, vec!["now: was replaced by another directory while the command ran".to_owned()]));
}
