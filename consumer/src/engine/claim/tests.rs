//! Tasks whose deliveries are acked before their outcomes: cancelled and leased ones.

use std::time::Duration;

use crate::engine::tests::{PATIENCE, consumer, delivered, done, names, task, without_lanes};
use crate::engine::{Action, Event, LaneSpec, Tag};
use crate::work::WorkError;
use shared::protocol::id::Class;
use shared::protocol::message::Verdict;
use shared::protocol::reason::Reason;
use shared::protocol::workload::Workload;

fn cancelled() -> Event {
    Event::Cancelled(vec!["j1".parse().expect("an id")])
}

fn worked(tag: Tag) -> Event {
    Event::Worked { tag, result: done(), micros: 1 }
}

#[test]
fn a_cancelled_job_is_let_go_of_at_once_and_nothing_is_answered() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(delivered(2));
    let let_go = ["ack 2", "cancel 1", "ack 1", "announce 0 leaving false"];
    assert_eq!(names(&consumer.step(cancelled())), let_go, "it says that it holds nothing of it");
    assert_eq!(names(&consumer.step(cancelled())), [""; 0], "twice is once, or two would talk for ever");
    assert_eq!(names(&consumer.step(delivered(3))), ["ack 3"], "what still was in a queue");
    assert_eq!(names(&consumer.step(worked(1))), [""; 0]);
}

#[test]
fn the_slot_of_a_cancelled_task_is_taken_until_its_work_has_noticed() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(cancelled());
    let mut other = task(2);
    other.address.opening = "other".parse().expect("an id");
    let other = Event::Delivered { lane: 0, tag: 2, task: Ok(other), returns: 0 };
    assert_eq!(names(&consumer.step(other)), [""; 0]);
    assert_eq!(names(&consumer.step(worked(1))), ["start 2"]);
}

/// A task of a light queue that was delivered before.
fn suspect(tag: Tag, attempt: u32) -> Event {
    let mut task = task(tag);
    (task.address.workload, task.address.attempt) = (Workload::Call, attempt);
    Event::Delivered { lane: 0, tag, task: Ok(task), returns: 1 }
}

fn pool(slots: u32) -> crate::engine::tests::Timed {
    let mut consumer = without_lanes(slots);
    let spec =
        LaneSpec { workload: Workload::Call, class: Class::from_name(b"any"), slots, ahead: 4, uses_cores: true };
    consumer.step(Event::LaneOpened { lane: 0, spec });
    consumer
}

#[test]
fn what_may_have_killed_a_consumer_starts_under_a_lease_where_no_queue_counts() {
    let mut consumer = pool(2);
    assert_eq!(names(&consumer.step(suspect(1, 1))), ["lease 1 started true"]);
    assert_eq!(names(&consumer.step(suspect(2, 1))), ["lease 2 started true"]);
    let started = ["start 1", "ack 1", "announce 0 leaving false"];
    assert_eq!(names(&consumer.step(Event::Leased { tag: 1 }))[..2], started[..2]);
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1"]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), [""; 0], "its delivery is acked");
}

#[test]
fn of_those_that_have_cost_an_attempt_one_runs_at_a_time() {
    let mut consumer = pool(2);
    assert_eq!(names(&consumer.step(suspect(1, 2))), ["lease 1 started true"]);
    assert_eq!(names(&consumer.step(suspect(2, 2))), [""; 0]);
    consumer.step(Event::Leased { tag: 1 });
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1", "lease 2 started true"]);
    // Its job was cancelled meanwhile.
    consumer.step(cancelled());
    assert_eq!(names(&consumer.step(Event::Leased { tag: 2 })), ["ack 2"]);
    assert_eq!(names(&consumer.step(suspect(3, 2))), ["ack 3"]);
}

#[test]
fn an_outcome_that_is_on_its_way_is_confirmed_and_acked_as_ever() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1"]);
    assert_eq!(names(&consumer.step(cancelled())), [""; 0]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
}

#[test]
fn other_openings_go_on() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    let cancelled = Event::Cancelled(vec!["j2".parse().expect("an id")]);
    assert_eq!(names(&consumer.step(cancelled)), [""; 0]);
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1"]);
}

#[test]
fn a_stopping_consumer_waits_for_cancelled_work_to_end() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(cancelled());
    assert_eq!(names(&consumer.step(Event::Stop)), ["announce 0 leaving true"]);
    assert_eq!(names(&consumer.step(worked(1))), ["stopped"]);
}

#[test]
fn a_long_task_is_acked_when_its_lease_is_confirmed_and_not_again() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    assert_eq!(names(&consumer.lease()), ["lease 1 started true", "announce 1 leaving false"]);
    assert_eq!(names(&consumer.lease()), ["announce 1 leaving false"]);
    assert_eq!(names(&consumer.step(Event::Leased { tag: 1 })), ["ack 1", "announce 1 leaving false"]);
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["announce 1 leaving false"], "each heartbeat renews it");
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1"]);
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["announce 1 leaving false"], "until it is confirmed");
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), [""; 0]);
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["announce 0 leaving false"]);
}

#[test]
fn a_lease_is_due_when_half_of_the_ack_timeout_has_passed_since_the_delivery_came() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.pass(PATIENCE / 2);
    consumer.step(delivered(2));
    consumer.pass(PATIENCE / 2 - Duration::from_millis(1));
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["announce 2 leaving false"]);
    consumer.pass(Duration::from_millis(1));
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["lease 1 started true", "announce 2 leaving false"]);
    consumer.pass(PATIENCE / 2);
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["lease 2 started false", "announce 2 leaving false"]);
}

#[test]
fn an_outcome_that_overtakes_its_lease_is_acked_as_ever() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.lease();
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1"]);
    assert_eq!(names(&consumer.step(Event::Leased { tag: 1 })), [""; 0]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
    assert_eq!(names(&consumer.lease()), ["announce 0 leaving false"], "it is gone");
}

#[test]
fn a_task_that_waits_too_long_is_given_back_and_not_started() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(delivered(2));
    let given_back = ["lease 1 started true", "lease 2 started false", "announce 2 leaving false"];
    assert_eq!(names(&consumer.lease()), given_back);
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1"]);
    assert_eq!(names(&consumer.step(Event::Leased { tag: 2 })), ["ack 2"]);
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["announce 1 leaving false"]);
}

#[test]
fn a_leased_task_that_is_delivered_again_is_not_done_twice() {
    let mut consumer = consumer(2);
    consumer.step(delivered(1));
    consumer.lease();
    // The ack is lost with the connection.
    consumer.step(Event::Leased { tag: 1 });
    consumer.step(Event::Interrupted { lane: 0 });
    let again = Event::Delivered { lane: 0, tag: 2, task: Ok(task(1)), returns: 1 };
    assert_eq!(names(&consumer.step(again)), ["lease 2 started true"]);
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1"]);
    assert_eq!(names(&consumer.step(Event::Leased { tag: 2 })), ["ack 2"]);
}

// The owner resent the task because it considered the lease expired. It waits for the latest
// attempt, and must know the lease's holder before that attempt's delivery is acked.
#[test]
fn a_leased_task_that_fails_does_so_in_the_try_that_was_sent_last() {
    let mut consumer = consumer(2);
    consumer.step(delivered(1));
    consumer.lease();
    consumer.step(Event::Leased { tag: 1 });
    let try_of = |attempt| {
        let mut task = task(1);
        task.address.attempt = attempt;
        Event::Delivered { lane: 0, tag: 1 + u64::from(attempt), task: Ok(task), returns: 0 }
    };
    for attempt in [3, 2] {
        let tag = 1 + u64::from(attempt);
        let actions = consumer.step(try_of(attempt));
        assert_eq!(names(&actions), [format!("lease {tag} started true")]);
        let [Action::Lease { lease, .. }] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!(lease.address.attempt, 3);
        assert_eq!(names(&consumer.step(Event::Leased { tag })), [format!("ack {tag}")]);
    }
    let actions = consumer.step(Event::Worked { tag: 1, result: Err(WorkError::failed("no")), micros: 1 });
    let [Action::Answer { outcome, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(outcome.address.attempt, 3);
}

#[test]
fn a_leased_task_of_a_cancelled_job_has_no_delivery_to_ack() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.lease();
    consumer.step(Event::Leased { tag: 1 });
    assert_eq!(names(&consumer.step(cancelled())), ["cancel 1", "announce 0 leaving false"]);
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["announce 0 leaving false"]);
    // A task whose lease is not yet confirmed is acked now, and not again later.
    let mut consumer = crate::engine::tests::consumer(1);
    consumer.step(delivered(1));
    consumer.lease();
    assert_eq!(names(&consumer.step(cancelled())), ["cancel 1", "ack 1", "announce 0 leaving false"]);
    assert_eq!(names(&consumer.step(Event::Leased { tag: 1 })), [""; 0]);
}

#[test]
fn a_leased_task_that_is_refused_at_last_fails_because_its_delivery_is_gone() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.lease();
    consumer.step(Event::Leased { tag: 1 });
    let refused = Err(WorkError::Rejected(Reason::Body { detail: "not a task for anyone".to_owned() }));
    let actions = consumer.step(Event::Worked { tag: 1, result: refused, micros: 1 });
    let [Action::Answer { tag: 1, outcome }] = &actions[..] else { panic!("{actions:?}") };
    assert!(matches!(&outcome.verdict, Verdict::Failed(failure) if failure.reason.contains("not a task for anyone")));
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), [""; 0], "it was acked for the lease");
    assert_eq!(names(&consumer.step(Event::HeartbeatDue)), ["announce 0 leaving false"]);
}
