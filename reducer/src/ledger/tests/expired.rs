//! Messages that a broker policy removes from their queues: the owner resends their tasks, however
//! often, and charges no attempt.

use shared::protocol::limits::{self, HEARTBEAT};
use shared::protocol::message::Death;

use super::*;

#[test]
fn what_a_policy_took_is_sent_again_without_an_attempt() {
    let mut world = World::with(|config| config.attempts_max = 2);
    world.open_with(1);
    for round in 0..20 {
        let death = if round % 2 == 0 { Death::Expired } else { Death::Dropped };
        assert_eq!(settled(&world.died(0, 1, death)), ["ack"]);
        // A second copy of the dead letter changes nothing.
        world.died(0, 1, death);
        assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, 1)], "round {round}");
    }
    let counts = world.counts();
    assert_eq!((counts.expired, counts.resends, counts.dead_letters, counts.tasks_failed), (40, 20, 0, 0));
    // A failure is still charged as an attempt.
    world.answer(0, 1, failed("no memory"));
    assert_eq!(sent(&world.pass(limits::RETRY_DELAY_MAX)), [(0, 2)]);
    world.died(0, 2, Death::Expired);
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, 2)]);
    assert!(wants_report(&world.dead_letter(0, 2)));
    assert_eq!(world.counts().tasks_failed, 1);
}

/// A task that kills a consumer at once may expire before the next consumer takes it. It must be
/// isolated all the same.
#[test]
fn what_somebody_may_have_tried_gets_the_number_of_another_try() {
    let mut world = World::new();
    world.open_with(1);
    world.presence(1, &[]);
    world.died(0, 1, Death::Expired);
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, 2)], "a consumer is there");
    world.pass(HEARTBEAT * 5);
    for round in 2..=limits::DELIVERY_LIMIT {
        world.died(0, 2, Death::Expired);
        assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, 2)], "{round} times without anybody");
    }
    world.died(0, 2, Death::Expired);
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, 3)], "it has been too often for that");
}

#[test]
fn it_waits_longer_each_time_but_no_longer_than_it_takes_to_hear_of_a_consumer() {
    let mut world = World::new();
    world.open_with(1);
    for (round, before, after) in [(1, 0.2, 0.5), (2, 0.4, 1.0), (3, 0.9, 2.0), (9, 4.9, 10.0)] {
        while world.counts().resends + 1 < round {
            world.died(0, 1, Death::Expired);
            world.pass(HEARTBEAT);
        }
        world.died(0, 1, Death::Expired);
        assert_eq!(sent(&world.pass(Duration::from_secs_f64(before))), [], "round {round}");
        assert_eq!(sent(&world.pass(Duration::from_secs_f64(after))), [(0, 1)], "round {round}");
    }
    world.died(0, 1, Death::Expired);
    world.presence(1, &[]);
    assert_eq!(sent(&world.pass(Duration::ZERO)), [(0, 1)], "a consumer has come");
}

#[test]
fn what_a_late_or_a_strangers_dead_letter_says_is_counted_at_most() {
    let mut world = World::new();
    world.open_with(2);
    world.done(0);
    world.died(0, 1, Death::Expired);
    world.died(1, 1, Death::Expired);
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(1, 1)]);
    world.answer(1, 1, failed("no memory"));
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(1, 2)]);
    // First a dead letter of an earlier send, then one of an unknown opening.
    world.died(1, 1, Death::Expired);
    let dead_letter = DeadLetter {
        task: id(1),
        of: None,
        death: Death::Expired,
        reason: "expired".to_owned(),
        host: None,
        attempt: Some(2),
    };
    let tag = world.tag();
    world.event(Arrived::DeadLetter { dead_letter, tag });
    assert_eq!(sent(&world.pass(HEARTBEAT)), []);
    assert_eq!((world.counts().expired, world.counts().resends), (3, 2));
}

#[test]
fn a_lane_that_opens_later_is_as_good_as_a_consumer_that_comes() {
    let mut world = World::new();
    world.open_with(1);
    world.presence_of(vec![lane(Workload::Words, 1)], &[]);
    world.died(0, 1, Death::Expired);
    assert_eq!(sent(&world.pass(Duration::ZERO)), []);
    world.presence_of(vec![lane(Workload::Words, 1), lane(Workload::Digest, 1)], &[]);
    assert_eq!(sent(&world.pass(Duration::ZERO)), [(0, 1)]);
}
