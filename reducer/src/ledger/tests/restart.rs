//! Restarts: a new process on the same store.

use shared::protocol::job::JobState;

use super::*;

fn narrow(config: &mut Config) {
    config.window_min = 3;
}

#[test]
fn the_account_and_the_prefix_survive() {
    let mut world = World::with(narrow);
    world.open();
    for number in 0..4 {
        world.plan(number, 2);
    }
    world.answer(1, 1, done(2));
    world.answer(1, 1, done(2));
    world.dead_letter(0, 1);
    let before = world.counts();
    world.restart(false);
    assert_eq!(world.counts(), before);
    let opened = world.open();
    assert_eq!((opened.planned, opened.after), (4, world.hash_before(4)));
    assert_eq!(settled(&world.plan(3, 2)), ["ack"]);
    assert_eq!(world.counts().tasks_planned, 4, "it was planned before");
}

#[test]
fn a_service_trusts_the_broker_with_what_was_out_and_sends_it_again_only_when_it_is_silent() {
    let mut world = World::with(narrow);
    world.open_with(5);
    world.done(1);
    assert_eq!(sent(&world.restart(false)), []);
    world.now += Duration::from_secs(20);
    assert_eq!(sent(&world.queue_state(Some(0))), [(0, 2), (2, 2), (3, 2)]);
}

#[test]
fn a_command_sends_what_was_out_again_and_nothing_twice() {
    let mut world = World::with(narrow);
    world.open_with(8);
    world.done(1);
    world.ledger = None;
    // The new process may have more tasks out than the one before.
    world.configure = |config| config.window_min = 6;
    let actions = world.start(true);
    assert_eq!(sent(&actions), [(0, 2), (2, 2), (3, 2), (4, 1), (5, 1), (6, 1)]);
    assert_eq!(world.counts().resends, 3);
}

#[test]
fn answers_beyond_the_prefix_are_remembered() {
    let mut world = World::new();
    world.open();
    world.plan(0, 1);
    world.plan(1, 1);
    world.plan(2, 0);
    world.plan(3, 1);
    world.end_plan(4);
    world.done(3);
    world.restart(false);
    world.done(3);
    assert_eq!(world.counts().duplicates, 1);
    world.done(1);
    assert!(wants_report(&world.done(0)));
}

/// A service's job is not opened again: its producer may have left with `--no-wait`.
#[test]
fn a_job_that_was_complete_and_not_reported_is_reported_without_being_asked_for() {
    let mut world = World::new();
    world.open_with(1);
    assert!(wants_report(&world.done(0)));
    assert!(wants_report(&world.restart(false)));
    world.report();
    assert!(!wants_report(&world.restart(false)));
    assert!(!wants_report(&world.event(open())));
    assert_eq!(world.status().state, JobState::Finished);
    assert_eq!(world.status().report_sha256.as_deref(), Some("00"));
}

#[test]
fn a_store_belongs_to_one_process_at_a_time() {
    let world = World::new();
    let second = Store::open(&StorePlace::File(world.path.clone()), owner);
    assert!(matches!(second, Err(crate::store::StoreError::InUse(_))), "{second:?}");
}

#[test]
fn a_closed_store_leaves_one_file() {
    let mut world = World::new();
    world.open_with(1);
    world.ledger = None;
    let left: Vec<_> = std::fs::read_dir(world.path.parent().expect("a directory"))
        .expect("it can be listed")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["store.sqlite"]);
}
