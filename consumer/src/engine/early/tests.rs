//! Answers to a part of a task.

use shared::protocol::id::PlanHash;
use shared::protocol::message::{LeaseBody, Outcome};
use shared::protocol::payload::Payload;

use crate::engine::tests::{consumer, delivered, done, names, task};
use crate::engine::{Action, Event, Tag};
use crate::work::Early;

fn early(tag: Tag) -> Event {
    Event::Early { tag, early: Early { answer: Payload::json("[1]"), open: vec![3], micros: 9 } }
}

fn worked(tag: Tag) -> Event {
    Event::Worked { tag, result: done(), micros: 1 }
}

fn rest() -> PlanHash {
    PlanHash::start().rest(&[3])
}

fn outcome(actions: &[Action]) -> &Outcome {
    match actions {
        [Action::Answer { outcome, .. }, ..] | [.., Action::Answer { outcome, .. }] => outcome,
        _ => panic!("{actions:?}"),
    }
}

#[test]
fn it_travels_with_a_lease_and_the_outcome_is_about_the_rest() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    let actions = consumer.step(early(1));
    let [Action::Lease { tag: 1, lease }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((&lease.address.plan, lease.is_started), (&PlanHash::start(), true));
    assert_eq!(lease.body, LeaseBody::Early { answer: Payload::json("[1]"), micros: 9 });
    assert_eq!(names(&consumer.step(early(1))), [""; 0], "once only");
    let taken = consumer.step(Event::EarlyTaken { tag: 1 });
    assert_eq!(names(&taken), ["ack 1", "announce 1 leaving false"]);
    let actions = consumer.step(worked(1));
    assert_eq!(outcome(&actions).address.plan, rest());
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), [""; 0], "it was acked for the lease");
}

/// An outcome that came before the early answer would be about nothing that the owner knows.
#[test]
fn the_outcome_waits_until_the_owner_has_the_early_answer() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(early(1));
    assert_eq!(names(&consumer.step(worked(1))), [""; 0]);
    assert_eq!(names(&consumer.step(delivered(2))), ["start 2"], "its slot is free");
    let actions = consumer.step(Event::EarlyTaken { tag: 1 });
    assert_eq!(names(&actions), ["ack 1", "announce 2 leaving false", "answer 1"]);
    assert_eq!(outcome(&actions).address.plan, rest());
    assert_eq!(names(&consumer.step(Event::EarlyTaken { tag: 1 })), [""; 0]);
}

#[test]
fn a_lease_that_is_under_way_is_not_taken_for_the_early_answers() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    assert_eq!(names(&consumer.lease())[0], "lease 1 started true");
    assert_eq!(names(&consumer.step(early(1))), ["lease 1 started true"]);
    assert_eq!(names(&consumer.step(Event::Leased { tag: 1 })), ["ack 1", "announce 1 leaving false"]);
    assert_eq!(names(&consumer.step(worked(1))), [""; 0]);
    assert_eq!(names(&consumer.step(Event::EarlyTaken { tag: 1 })), ["answer 1"]);
}

#[test]
fn what_was_cancelled_or_has_ended_has_none() {
    let mut consumer = consumer(2);
    consumer.step(delivered(1));
    consumer.step(delivered(2));
    consumer.step(early(1));
    consumer.step(worked(1));
    consumer.step(Event::Cancelled(vec!["j1".parse().expect("an id")]));
    assert_eq!(names(&consumer.step(early(2))), [""; 0]);
    assert_eq!(names(&consumer.step(Event::EarlyTaken { tag: 1 })), [""; 0]);
    assert_eq!(names(&consumer.step(worked(2))), [""; 0]);
    assert_eq!(names(&consumer.step(early(2))), [""; 0]);
    assert_eq!(names(&consumer.step(Event::Stop)), ["announce 0 leaving true", "stopped"]);
}

/// The owner took the lease for lapsed, and has sent the rest again.
#[test]
fn a_later_attempt_at_the_rest_joins_the_run() {
    let mut consumer = consumer(2);
    consumer.step(delivered(1));
    consumer.step(early(1));
    consumer.step(Event::EarlyTaken { tag: 1 });
    let mut again = task(1);
    (again.address.plan, again.address.attempt) = (rest(), 2);
    let actions = consumer.step(Event::Delivered { lane: 0, tag: 2, task: Ok(again), returns: 0 });
    assert_eq!(names(&actions), ["lease 2 started true"]);
    assert_eq!(names(&consumer.step(Event::Leased { tag: 2 })), ["ack 2"]);
    let actions = consumer.step(worked(1));
    assert_eq!((&outcome(&actions).address.plan, outcome(&actions).address.attempt), (&rest(), 2));
}
