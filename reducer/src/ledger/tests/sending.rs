//! Sending: windows, retries, dead letters, and silent tasks.

use shared::protocol::limits;

use super::*;

const HEARTBEAT: Duration = limits::HEARTBEAT;

impl World {
    pub(super) fn queue_state(&mut self, ready: Option<u32>) -> Vec<Action> {
        self.event(Event::QueueState { workload: Workload::Digest, class: class(), ready })
    }
}

fn narrow(config: &mut Config) {
    config.window_min = 2;
    config.window_per_slot = 3;
}

#[test]
fn no_more_tasks_are_out_than_the_window_holds() {
    let mut world = World::with(narrow);
    assert_eq!(world.open_with(10), [(0, 1), (1, 1)]);
    assert_eq!(sent(&world.done(1)), [(2, 1)]);
    assert_eq!(sent(&world.done(1)), [], "a duplicate makes no room");
    assert_eq!(sent(&world.done(0)), [(3, 1)]);
}

#[test]
fn more_slots_widen_the_window_and_silent_ones_do_not() {
    let mut world = World::with(narrow);
    world.open_with(20);
    assert_eq!(sent(&world.presence(2, &[])), [(2, 1), (3, 1), (4, 1), (5, 1)]);
    assert_eq!(sent(&world.presence(2, &[])), []);
    // The consumer falls silent, so the room in the window is not filled again.
    world.pass(HEARTBEAT * 10);
    assert_eq!(sent(&world.done(0)), []);
}

#[test]
fn absurd_numbers_of_slots_make_no_absurd_window() {
    let mut world = World::with(|config| {
        narrow(config);
        config.window_max = 4;
    });
    world.open_with(20);
    assert_eq!(sent(&world.presence(u32::MAX, &[])), [(2, 1), (3, 1)]);
}

#[test]
fn a_failed_task_is_sent_again_after_a_growing_wait_and_at_last_given_up() {
    let mut world = World::with(|config| config.attempts_max = 3);
    world.open();
    world.plan(0, 4);
    world.end_plan(1);
    for attempt in 1..3 {
        assert_eq!(sent(&world.answer(0, attempt, failed("no memory"))), []);
        let longest = limits::RETRY_DELAY * 2u32.pow(attempt - 1);
        assert_eq!(sent(&world.pass(longest / 2 - Duration::from_millis(1))), [], "not at once");
        assert_eq!(sent(&world.pass(longest)), [(0, attempt + 1)]);
    }
    assert!(wants_report(&world.answer(0, 3, failed("no memory"))));
    let counts = world.counts();
    assert_eq!((counts.tasks_failed, counts.items_failed, counts.resends), (1, 4, 2));
    world.report();
}

#[test]
fn a_task_that_fails_and_then_succeeds_is_done() {
    let mut world = World::new();
    world.open_with(1);
    world.answer(0, 1, failed("no memory"));
    assert_eq!(sent(&world.pass(limits::RETRY_DELAY)), [(0, 2)]);
    assert!(wants_report(&world.answer(0, 2, done(1))));
    assert_eq!((world.counts().tasks_done, world.counts().tasks_failed), (1, 0));
}

#[test]
fn an_answer_that_cannot_be_read_is_a_failure() {
    let mut world = World::new();
    world.open_with(1);
    world.answer(0, 1, Verdict::Done(Payload::json("{}")));
    assert_eq!(world.counts().tasks_open, 1);
    assert_eq!(sent(&world.pass(limits::RETRY_DELAY)), [(0, 2)]);
}

#[test]
fn one_failure_delivered_many_times_is_one_failure() {
    let mut world = World::with(|config| config.attempts_max = 3);
    world.open_with(1);
    for _ in 0..10 {
        world.answer(0, 1, failed("no memory"));
        world.pass(limits::RETRY_DELAY_MAX);
    }
    assert_eq!((world.counts().tasks_failed, world.counts().resends), (0, 1));
}

#[test]
fn a_dead_letter_is_counted_and_its_task_sent_again_until_it_is_given_up() {
    let mut world = World::with(|config| config.attempts_max = 3);
    world.open();
    world.plan(0, 2);
    world.end_plan(1);
    for attempt in 1..3 {
        assert_eq!(settled(&world.dead_letter(0, attempt)), ["ack"]);
        assert_eq!(sent(&world.pass(limits::RETRY_DELAY_MAX)), [(0, attempt + 1)]);
    }
    assert!(wants_report(&world.dead_letter(0, 3)));
    let counts = world.counts();
    assert_eq!((counts.dead_letters, counts.tasks_failed, counts.items_failed), (3, 1, 2));
}

#[test]
fn one_dead_letter_delivered_many_times_is_one_failure() {
    let mut world = World::with(|config| config.attempts_max = 3);
    world.open_with(1);
    for _ in 0..10 {
        assert_eq!(settled(&world.dead_letter(0, 1)), ["ack"]);
        world.pass(limits::RETRY_DELAY_MAX);
    }
    assert_eq!((world.counts().tasks_failed, world.counts().resends), (0, 1));
}

#[test]
fn a_dead_letter_of_an_answered_task_changes_no_result() {
    let mut world = World::new();
    world.open_with(1);
    world.done(0);
    world.dead_letter(0, 1);
    assert_eq!((world.counts().dead_letters, world.counts().tasks_done), (1, 1));
    assert_eq!(sent(&world.pass(HEARTBEAT * 5)), []);
}

#[test]
fn a_late_answer_of_a_task_that_was_given_up_changes_nothing() {
    let mut world = World::with(|config| config.attempts_max = 1);
    world.open_with(1);
    world.answer(0, 1, failed("no memory"));
    world.done(0);
    let counts = world.counts();
    assert_eq!((counts.tasks_failed, counts.tasks_done, counts.duplicates, counts.conflicts), (1, 0, 1, 0));
}

fn probes(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Other(Effect::Probe { .. }))).count()
}

#[test]
fn a_silent_task_is_sent_again_only_when_its_queue_is_empty() {
    let mut world = World::new();
    world.open_with(1);
    assert_eq!(probes(&world.pass(HEARTBEAT / 4)), 0, "it is too early to ask");
    assert_eq!(probes(&world.pass(HEARTBEAT / 4)), 1);
    assert_eq!(sent(&world.queue_state(Some(0))), [], "a consumer may have it");
    world.pass(HEARTBEAT * 3 / 2);
    assert_eq!(sent(&world.queue_state(Some(0))), [(0, 2)]);
    assert_eq!(sent(&world.queue_state(Some(0))), [], "once");
    world.pass(HEARTBEAT * 2);
    assert_eq!(sent(&world.queue_state(None)), [(0, 3)], "the queue is gone");
    assert_eq!(world.counts().resends, 2);
}

#[test]
fn whoever_takes_a_task_that_waited_long_has_time_to_name_it() {
    let mut world = World::new();
    world.open_with(1);
    for _ in 0..100 {
        assert_eq!(probes(&world.pass(HEARTBEAT / 2)), 1);
        assert_eq!(sent(&world.queue_state(Some(1))), [], "it may still wait there");
    }
    world.pass(HEARTBEAT);
    assert_eq!(sent(&world.queue_state(Some(0))), [], "taken, and not named yet");
    world.presence(1, &[0]);
    world.pass(HEARTBEAT);
    assert_eq!(sent(&world.queue_state(Some(0))), []);
    world.pass(HEARTBEAT);
    assert_eq!(sent(&world.queue_state(Some(0))), [(0, 2)]);
}

#[test]
fn a_task_that_a_consumer_names_is_not_sent_again_until_two_heartbeats_after() {
    let mut world = World::new();
    world.open_with(2);
    for _ in 0..5 {
        world.pass(HEARTBEAT);
        world.presence(1, &[0]);
    }
    assert_eq!(sent(&world.queue_state(Some(0))), [(1, 2)]);
    world.pass(HEARTBEAT * 2);
    assert_eq!(sent(&world.queue_state(Some(0))), [(0, 2), (1, 3)]);
}

#[test]
fn a_task_that_waits_for_its_retry_is_not_silent() {
    let mut world = World::new();
    world.open_with(1);
    world.answer(0, 1, failed("no memory"));
    world.now += HEARTBEAT * 3;
    assert_eq!(sent(&world.queue_state(Some(0))), []);
    assert_eq!(sent(&world.event(Event::Tick)), [(0, 2)]);
}

#[test]
fn what_is_out_is_sent_again_when_the_owners_queue_was_lost() {
    let mut world = World::with(narrow);
    world.open_with(4);
    world.done(0);
    assert_eq!(sent(&world.event(Event::Interrupted)), [(1, 2), (2, 2)]);
    world.answer(1, 1, done(1));
    world.answer(1, 2, done(1));
    assert_eq!((world.counts().tasks_done, world.counts().duplicates), (2, 1));
}
