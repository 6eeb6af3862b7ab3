//! Leases: tasks that take longer than the broker waits for an ack, and holders that fall silent.

use shared::protocol::limits::HEARTBEAT;
use shared::protocol::message::{Lease, LeaseBody};

use super::*;

fn lease(world: &mut World, number: u64, attempt: u32, is_started: bool) -> Vec<Action> {
    let (tag, address) = (world.tag(), world.address(number, attempt));
    let (holder, host) = (ConsumerId::from_name(b"c"), "node-07".to_owned());
    let lease =
        Lease { address, holder, host, is_started, redelivered: false, body: LeaseBody::Task(Payload::json("{}")) };
    world.event(Arrived::Lease { lease: Box::new(lease), tag })
}

#[test]
fn a_leased_task_is_its_holders_as_long_as_it_names_it() {
    let mut world = World::new();
    world.open_with(1);
    assert_eq!(settled(&lease(&mut world, 0, 1, true)), ["ack"]);
    for _ in 0..10 {
        assert_eq!(sent(&world.pass(HEARTBEAT)), []);
        world.presence(1, &[0]);
        assert_eq!(sent(&world.queue_state(Some(0))), [], "its queue is empty, of course");
    }
    assert!(wants_report(&world.done(0)));
    assert_eq!((world.counts().resends, world.counts().tasks_done), (0, 1));
    world.report();
}

#[test]
fn a_lease_lapses_after_two_heartbeats_without_a_look_at_any_queue() {
    let mut world = World::new();
    world.open_with(1);
    lease(&mut world, 0, 1, true);
    world.pass(HEARTBEAT);
    world.presence(1, &[0]);
    assert_eq!(sent(&world.pass(HEARTBEAT)), []);
    world.presence(1, &[]);
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, 2)]);
    // The new attempt is in a queue, where it may wait.
    world.pass(HEARTBEAT * 3);
    assert_eq!(sent(&world.queue_state(Some(1))), []);
    assert!(wants_report(&world.answer(0, 1, done(1))), "the holder was only silent");
}

#[test]
fn a_lease_outlives_its_owner_and_lapses_if_its_holder_does_not() {
    for is_fresh in [false, true] {
        let mut world = World::new();
        world.open_with(1);
        lease(&mut world, 0, 1, true);
        assert_eq!(sent(&world.restart(is_fresh)), [], "its holder may well be at work");
        world.pass(HEARTBEAT);
        world.presence(1, &[0]);
        assert_eq!(sent(&world.pass(HEARTBEAT)), []);
        world.restart(is_fresh);
        assert_eq!(sent(&world.pass(HEARTBEAT * 2)), [(0, 2)]);
        world.restart(false);
        assert_eq!(sent(&world.pass(HEARTBEAT * 3)), [], "it is in a queue now");
    }
}

#[test]
fn a_task_that_is_given_back_is_sent_again_at_once_and_once() {
    let mut world = World::new();
    world.open_with(1);
    let actions = lease(&mut world, 0, 1, false);
    assert_eq!((sent(&actions), settled(&actions)), (vec![(0, 2)], vec!["ack".to_owned()]));
    assert_eq!(sent(&lease(&mut world, 0, 1, false)), [], "the same message again");
    assert_eq!(sent(&lease(&mut world, 0, 2, false)), [(0, 3)]);
    assert!(wants_report(&world.answer(0, 3, done(1))));
    assert_eq!(world.counts().tasks_failed, 0, "however often it is given back");
}

#[test]
fn a_lease_on_what_is_over_or_unknown_changes_nothing() {
    let mut world = World::new();
    world.open_with(2);
    world.done(0);
    assert_eq!(settled(&lease(&mut world, 0, 1, true)), ["ack"]);
    assert_eq!(sent(&world.pass(HEARTBEAT * 3)), []);
    assert_ne!(settled(&lease(&mut world, 9, 1, true)), ["ack"]);
    world.event(Event::Cancel { job: job(), opening: None, reply: ReplyTo::Local(0) });
    let actions = lease(&mut world, 1, 1, true);
    let recalled = actions.iter().any(|action| matches!(action, Action::Other(Effect::Recall { .. })));
    assert!(recalled && settled(&actions) == ["ack"]);
}
