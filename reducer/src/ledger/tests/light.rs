//! Light queues, which vanish when nobody uses them.

use super::*;

/// The queues that are declared.
fn declared(actions: &[Action]) -> Vec<Class> {
    let declared = |action: &Action| match action {
        Action::Other(Effect::Declare { workload: Workload::Digest, class }) => Some(class.clone()),
        _ => None,
    };
    actions.iter().filter_map(declared).collect()
}

fn light(config: &mut Config) {
    config.is_light = |_| true;
}

#[test]
fn an_owner_declares_the_light_queues_of_open_jobs_with_each_heartbeat() {
    let (mut world, heartbeat) = (World::with(light), Config::new(owner()).heartbeat);
    world.open();
    assert_eq!(declared(&world.pass(Duration::ZERO)), [class()], "nothing is planned yet");
    world.plan(0, 1);
    world.end_plan(1);
    assert_eq!(declared(&world.pass(heartbeat / 2)), []);
    for _ in 0..3 {
        assert_eq!(declared(&world.pass(heartbeat)), [class()]);
    }
    assert_eq!(declared(&world.restart(false)), [class()]);
    world.done(0);
    world.report();
    assert_eq!(declared(&world.pass(heartbeat)), [], "the job has ended");

    let mut world = World::new();
    world.open_with(1);
    assert_eq!(declared(&world.pass(heartbeat)), [], "durable queues stay");
}

#[test]
fn a_long_heartbeat_lets_no_light_queue_expire() {
    let mut world = World::with(|config| {
        light(config);
        config.heartbeat = Duration::from_secs(3_600);
    });
    world.open_with(1);
    world.pass(Duration::ZERO);
    assert_eq!(declared(&world.pass(shared::protocol::limits::LIGHT_QUEUE_EXPIRES / 2)), [class()]);
}

#[test]
fn the_tasks_of_a_light_queue_that_vanished_are_sent_again_and_find_it() {
    let (mut world, heartbeat) = (World::with(light), Config::new(owner()).heartbeat);
    assert_eq!(world.open_with(2), [(0, 1), (1, 1)]);
    world.pass(heartbeat * 2);
    let actions = world.queue_state(None);
    assert_eq!(sent(&actions), [(0, 2), (1, 2)]);
    assert_eq!(declared(&actions), [class()], "before they are sent");
    let is_declared = |action: &Action| matches!(action, Action::Other(Effect::Declare { .. }));
    assert!(actions.first().is_some_and(is_declared), "{actions:?}");
}
