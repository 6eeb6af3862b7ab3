//! Cancelled jobs: their account, the recalls to consumers, and late messages.

use shared::protocol::limits::HEARTBEAT;

use super::*;

fn cancel(world: &mut World) -> Vec<Action> {
    world.event(Event::Cancel { job: job(), opening: None, reply: ReplyTo::Local(0) })
}

fn recalls(actions: &[Action]) -> usize {
    let is_recall =
        |action: &&Action| matches!(action, Action::Other(Effect::Recall { openings }) if openings.len() == 1);
    actions.iter().filter(is_recall).count()
}

fn replied(actions: &[Action]) -> Reply {
    let reply = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => Some((**reply).clone()),
        _ => None,
    };
    actions.iter().find_map(reply).expect("an answer")
}

fn state(actions: &[Action]) -> Option<JobState> {
    match replied(actions) {
        Reply::Status(status) => Some(status.state),
        _ => None,
    }
}

#[test]
fn a_cancelled_job_ends_as_it_stands_with_an_exact_account() {
    let mut world = World::new();
    world.open();
    for number in 0..4 {
        world.plan(number, 3);
    }
    world.answer(1, 1, done(3));
    let actions = cancel(&mut world);
    assert_eq!((state(&actions), recalls(&actions)), (Some(JobState::Cancelled), 1));
    assert!(wants_report(&actions), "of what was done");
    let counts = world.counts();
    assert_eq!((counts.tasks_done, counts.tasks_cancelled, counts.tasks_open), (1, 3, 0));
    assert_eq!((counts.items_done, counts.items_cancelled, counts.items_planned), (3, 9, 12));
    world.report();
    let status = world.status();
    assert_eq!((status.state, status.report_sha256.is_some()), (JobState::Cancelled, true));
}

#[test]
fn what_comes_late_is_acked_and_changes_nothing() {
    let mut world = World::new();
    world.open_with(3);
    world.answer(2, 1, failed("for now"));
    cancel(&mut world);
    let before = world.status();
    assert_eq!(settled(&world.done(0)), ["ack"]);
    assert_eq!(settled(&world.answer(1, 1, failed("for good"))), ["ack"]);
    assert_eq!(settled(&world.dead_letter(1, 1)), ["ack"]);
    assert_eq!(settled(&world.plan(3, 1)), ["ack"], "of a producer that has not heard");
    assert_eq!(settled(&world.end_plan(4)), ["ack"]);
    assert_eq!(sent(&world.pass(HEARTBEAT * 10)), [], "neither again nor for the first time");
    assert_eq!(sent(&world.queue_state(Some(0))), []);
    assert_eq!(sent(&world.event(Event::Interrupted)), []);
    assert_eq!(world.status(), before);
}

#[test]
fn twice_is_once_and_what_has_ended_or_is_unknown_stays_so() {
    let mut world = World::new();
    assert!(matches!(replied(&cancel(&mut world)), Reply::UnknownJob));
    world.open_with(1);
    world.done(0);
    assert_eq!(state(&cancel(&mut world)), Some(JobState::Running), "all is done but the report");
    world.report();
    assert_eq!(state(&cancel(&mut world)), Some(JobState::Finished));

    let mut world = World::new();
    world.open_with(2);
    cancel(&mut world);
    let before = world.status();
    world.now += HEARTBEAT;
    let actions = cancel(&mut world);
    assert_eq!((state(&actions), recalls(&actions)), (Some(JobState::Cancelled), 0));
    assert_eq!(world.status(), before);
    let reply = replied(&world.event(open()));
    assert!(matches!(reply, Reply::Refused { reason } if reason.contains("was cancelled")), "it does not go on");
}

#[test]
fn a_job_whose_plan_is_not_complete_ends_where_it_stands() {
    let mut world = World::new();
    world.open();
    world.plan(0, 1);
    // Task 1 has not reached the owner yet.
    world.plan(2, 1);
    world.done(0);
    cancel(&mut world);
    world.report();
    let counts = world.counts();
    assert_eq!((counts.tasks_planned, counts.tasks_done, counts.tasks_cancelled), (1, 1, 0));
    let mut render = crate::report::Render::new(&world.path, &job(), crate::report::Format::Text).expect("a report");
    let mut text = Vec::new();
    render.write_up_to(u64::MAX, &mut text, &mut |record| panic!("{record:?}")).expect("it is written");
    assert_eq!(String::from_utf8(text).expect("text"), format!("{HEX}  r/0-0\n"));
}

#[test]
fn a_consumer_that_names_a_cancelled_task_or_comes_late_is_told() {
    let mut world = World::new();
    world.open_with(2);
    world.presence(1, &[0]);
    assert_eq!(recalls(&cancel(&mut world)), 1);
    assert_eq!(recalls(&world.presence(1, &[])), 0, "it has let go");
    assert_eq!(recalls(&world.presence(1, &[0])), 1, "it has not heard");
    // The consumer goes away and comes back without having heard of the recall.
    world.pass(HEARTBEAT * 5);
    assert_eq!(recalls(&world.presence(1, &[])), 1);
}

#[test]
fn after_a_restart_the_cancellation_goes_on() {
    for is_fresh in [false, true] {
        let mut world = World::new();
        world.open_with(2);
        world.presence(1, &[0]);
        cancel(&mut world);
        let before = world.status();
        let actions = world.restart(is_fresh);
        assert_eq!((sent(&actions), wants_report(&actions)), (vec![], true), "its report was not written");
        assert_eq!(recalls(&world.presence(1, &[0])), 1);
        assert_eq!(settled(&world.done(0)), ["ack"]);
        assert_eq!(world.status(), before);
    }
}

fn probes(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Other(Effect::Probe { .. }))).count()
}

#[test]
fn consumers_are_told_until_the_queue_is_empty_and_nobody_names_a_task() {
    let mut world = World::new();
    world.open_with(2);
    cancel(&mut world);
    assert_eq!(probes(&world.pass(HEARTBEAT)), 0);
    assert_eq!(probes(&world.pass(HEARTBEAT)), 1);
    assert_eq!(probes(&world.pass(HEARTBEAT / 2)), 0, "once a heartbeat");
    world.queue_state(Some(2));
    assert_eq!(recalls(&world.presence(1, &[0])), 1, "some wait there");
    world.queue_state(Some(0));
    world.pass(HEARTBEAT * 5);
    assert_eq!(recalls(&world.presence(1, &[])), 1, "one was held a moment ago");
    world.queue_state(None);
    world.pass(HEARTBEAT * 5);
    assert_eq!((recalls(&world.presence(1, &[])), probes(&world.pass(HEARTBEAT))), (0, 0), "nothing is left");
}
