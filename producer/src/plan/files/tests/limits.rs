//! How findings are packed into tasks.

use shared::protocol::limits::{TASK_CONTENT_BYTES, TASK_ITEMS_MAX, TASK_MESSAGE_BYTES};

use super::*;

#[test]
fn tasks_double_up_to_the_limit_of_items() {
    let tree = Tree::new();
    for serial in 0..2500 {
        tree.file(format!("{serial:04}"), 1);
    }
    let items: Vec<_> = tree.tasks(Links::Skip).iter().map(|task| task.items).collect();
    assert_eq!(items, [16, 32, 64, 128, 256, 512, 1000, 492]);
}

#[test]
fn content_is_bounded_and_a_larger_file_is_alone() {
    let tree = Tree::new();
    let half = TASK_CONTENT_BYTES / 2;
    for (name, size) in [("a", half), ("b", half), ("c", 0), ("d", 1), ("e", 3 * half), ("f", 0)] {
        tree.file(name, size);
    }
    let items: Vec<_> = tree.tasks(Links::Skip).iter().map(|task| (task.items, task.bytes)).collect();
    assert_eq!(items, [(3, 2 * half), (1, 1), (1, 3 * half), (1, 0)]);
}

#[test]
fn messages_are_bounded() {
    let tree = Tree::new();
    let parent = "p".repeat(250);
    for serial in 0..2500 {
        tree.file(format!("{parent}/{}{serial:04}", "\u{1}".repeat(200)), 1);
    }
    let tasks = tree.tasks(Links::Skip);
    let sizes: Vec<_> = tasks.iter().map(|task| task.body.as_ref().map_or(0, |body| body.len())).collect();
    assert!(sizes.iter().all(|&size| size <= TASK_MESSAGE_BYTES), "{sizes:?}");
    assert!(sizes.iter().filter(|&&size| size > TASK_MESSAGE_BYTES * 9 / 10).count() >= 10, "{sizes:?}");
}

#[test]
fn failures_are_bounded_too_and_skips_trail() {
    let tree = Tree::new();
    for serial in 0..1500 {
        tree.link(&format!("{serial:04}"), "gone");
    }
    let tasks = tree.tasks(Links::FollowInside);
    assert!(
        tasks.iter().all(|task| task.notes.failed.len() <= TASK_ITEMS_MAX && task.body.is_none() && task.items == 0)
    );
    assert_eq!(tasks.iter().map(|task| task.notes.failed.len()).sum::<usize>(), 1500);

    let tasks = tree.tasks(Links::Skip);
    assert_eq!(tasks.len(), 1);
    assert_eq!(skipped(&tasks), [("symlink".to_owned(), 1500)]);
}

#[test]
fn a_task_holds_items_of_one_root() {
    let tree = Tree::new();
    tree.file("a/1", 1).file("a/2", 1).file("b/1", 1);
    let (spec, dirs) =
        selection(&[tree.argument("b"), tree.argument("a")], Naming::Shared, Links::Skip).expect("they are there");
    let tasks = tasks(&spec, &dirs);
    let roots: Vec<_> = tasks.iter().filter_map(batch).map(|batch| (batch.root, batch.items.len())).collect();
    assert_eq!(roots, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert!(tasks.iter().all(|task| task.class.as_str() == batch(task).expect("a batch").root));
}
