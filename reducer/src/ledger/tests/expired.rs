//! Messages that a policy of the broker takes out of their queues: their tasks are sent again, however often, and
//! no attempt is charged.

use shared::limits::{self, HEARTBEAT};
use shared::message::Death;

use super::*;

#[test]
fn what_a_policy_took_is_sent_again_without_an_attempt() {
    let mut world = World::with(|config| config.attempts_max = 2);
    world.open_with(1);
    for round in 1..=20 {
        let death = if round % 2 == 0 { Death::Expired } else { Death::Dropped };
        assert_eq!(settled(&world.died(0, round, death)), ["ack"]);
        // Another copy of the same letter says nothing new.
        world.died(0, round, death);
        assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, round + 1)]);
    }
    let counts = world.counts();
    assert_eq!((counts.expired, counts.resends, counts.dead_letters, counts.tasks_failed), (40, 20, 0, 0));
    // What fails is charged as ever.
    world.answer(0, 21, failed("no memory"));
    assert_eq!(sent(&world.pass(limits::RETRY_DELAY_MAX)), [(0, 22)]);
    world.died(0, 22, Death::Expired);
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(0, 23)]);
    assert!(wants_report(&world.dead_letter(0, 23)));
    assert_eq!(world.counts().tasks_failed, 1);
}

#[test]
fn it_waits_longer_each_time_but_no_longer_than_it_takes_to_hear_of_a_consumer() {
    let mut world = World::new();
    world.open_with(1);
    for (round, before, after) in [(1, 0.2, 0.5), (2, 0.4, 1.0), (3, 0.9, 2.0), (9, 4.9, 10.0)] {
        while world.counts().resends + 1 < u64::from(round) {
            let attempt = u32::try_from(world.counts().resends).expect("few") + 1;
            world.died(0, attempt, Death::Expired);
            world.pass(HEARTBEAT);
        }
        world.died(0, round, Death::Expired);
        assert_eq!(sent(&world.pass(Duration::from_secs_f64(before))), [], "round {round}");
        assert_eq!(sent(&world.pass(Duration::from_secs_f64(after))), [(0, round + 1)], "round {round}");
    }
    world.died(0, 10, Death::Expired);
    world.presence(1, &[]);
    assert_eq!(sent(&world.pass(Duration::ZERO)), [(0, 11)], "a consumer has come");
}

#[test]
fn what_a_late_or_a_strangers_letter_says_is_counted_at_most() {
    let mut world = World::new();
    world.open_with(2);
    world.done(0);
    world.died(0, 1, Death::Expired);
    world.died(1, 1, Death::Expired);
    assert_eq!(sent(&world.pass(HEARTBEAT)), [(1, 2)]);
    // Of a send before the last one, and then of one for another store.
    world.died(1, 1, Death::Expired);
    let letter = DeadLetter {
        task: id(1),
        store: None,
        death: Death::Expired,
        reason: "expired".to_owned(),
        host: None,
        attempt: Some(2),
    };
    let tag = world.tag();
    world.event(Event::DeadLetter { letter, items: 0, tag });
    assert_eq!(sent(&world.pass(HEARTBEAT)), []);
    assert_eq!((world.counts().expired, world.counts().resends), (3, 1));
}
