//! Lanes that come and go, and what they share.

use crate::engine::tests::{Timed, consumer, delivered, done, names, opened, task, without_lanes};
use crate::engine::{Action, Event, Lane, Tag};

fn delivery(lane: Lane, tag: Tag) -> Event {
    Event::Delivered { lane, tag, task: Ok(task(tag)), returns: 0 }
}

fn worked(tag: Tag) -> Event {
    Event::Worked { tag, result: done(), micros: 1 }
}

fn close(consumer: &mut Timed, lane: Lane) -> Vec<String> {
    names(&consumer.step(Event::LaneClosed { lane }))
}

/// Two lanes with so many slots each.
fn two_lanes(cores: u32, slots: [u32; 2]) -> Timed {
    let mut consumer = without_lanes(cores);
    consumer.step(opened(1, slots[0]));
    consumer.step(opened(2, slots[1]));
    consumer
}

/// The lanes of the latest heartbeat, each with its slots and how many are busy.
fn announced(actions: &[Action]) -> Vec<(u32, u32)> {
    let presence = actions.iter().rev().find_map(|action| match action {
        Action::Announce(presence) => Some(presence),
        _ => None,
    });
    presence.expect("a heartbeat").lanes.iter().map(|lane| (lane.slots, lane.busy)).collect()
}

#[test]
fn lanes_take_turns_by_the_age_of_their_deliveries_and_share_the_cores() {
    let mut consumer = two_lanes(2, [2, 2]);
    let waiting = [(2, 1), (1, 2), (1, 3), (2, 4)];
    let started: Vec<_> = waiting.iter().flat_map(|&(lane, tag)| names(&consumer.step(delivery(lane, tag)))).collect();
    assert_eq!(started, ["start 1", "start 2"]);
    assert_eq!(names(&consumer.step(worked(2))), ["answer 2", "start 3"]);
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1", "start 4"]);
}

#[test]
fn a_lane_without_a_free_slot_does_not_hold_up_the_other() {
    let mut consumer = two_lanes(4, [1, 1]);
    let waiting = [(1, 1), (1, 2), (2, 3)];
    let started: Vec<_> = waiting.iter().flat_map(|&(lane, tag)| names(&consumer.step(delivery(lane, tag)))).collect();
    assert_eq!(started, ["start 1", "start 3"]);
    assert_eq!(names(&consumer.step(worked(3))), ["answer 3"]);
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1", "start 2"]);
}

#[test]
fn the_first_heartbeat_names_all_lanes_and_later_lanes_are_announced_at_once() {
    let mut consumer = two_lanes(2, [2, 1]);
    consumer.step(delivery(1, 1));
    assert_eq!(announced(&consumer.step(Event::HeartbeatDue)), [(2, 1), (1, 0)]);
    let actions = consumer.step(opened(3, 4));
    assert_eq!(names(&actions), ["subscribe 3", "announce 1 leaving false"]);
    assert_eq!(announced(&actions), [(2, 1), (1, 0), (4, 0)]);
    assert_eq!(announced(&consumer.step(Event::LaneClosed { lane: 2 })), [(2, 1), (4, 0)]);
}

#[test]
fn a_closed_lane_drops_what_waits_and_finishes_what_runs_under_a_lease() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(delivered(2));
    assert_eq!(close(&mut consumer, 0), ["drop 2", "lease 1 started true", "announce 1 leaving false"]);
    assert_eq!(close(&mut consumer, 0), [""; 0], "once");
    assert_eq!(names(&consumer.step(delivered(3))), ["drop 3"], "it was under way");
    let leased = ["ack 1", "announce 1 leaving false", "unsubscribe 0"];
    assert_eq!(names(&consumer.step(Event::Leased { tag: 1 })), leased);
    assert_eq!(names(&consumer.step(delivered(4))), ["drop 4"]);
    assert!(consumer.engine.lanes().all(|lane| !lane.is_open && lane.state.busy == 1));
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1", "lane 0 ended"]);
    assert_eq!(consumer.engine.lanes().count(), 0);
    assert_eq!(names(&consumer.step(delivered(5))), ["drop 5"]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), [""; 0], "it was acked for the lease");
}

#[test]
fn a_closed_lane_without_tasks_ends_at_once() {
    let mut consumer = consumer(1);
    assert_eq!(close(&mut consumer, 0), ["announce 0 leaving false", "unsubscribe 0", "lane 0 ended"]);
    assert_eq!(close(&mut consumer, 7), [""; 0], "there is no such lane");
}

#[test]
fn the_subscription_of_a_closed_lane_stays_until_each_of_its_deliveries_is_acked() {
    let mut consumer = consumer(2);
    consumer.step(delivered(1));
    consumer.step(delivered(2));
    consumer.step(worked(1));
    assert_eq!(close(&mut consumer, 0), ["lease 2 started true", "announce 2 leaving false"]);
    assert_eq!(names(&consumer.step(worked(2))), ["answer 2"], "before its lease is confirmed");
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 2 })), ["ack 2"]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1", "unsubscribe 0", "lane 0 ended"]);
}

#[test]
fn the_running_tasks_of_a_closed_lane_keep_their_cores() {
    let mut consumer = two_lanes(1, [1, 1]);
    consumer.step(delivery(1, 1));
    close(&mut consumer, 1);
    consumer.step(Event::Leased { tag: 1 });
    assert_eq!(names(&consumer.step(delivery(2, 2))), [""; 0]);
    assert_eq!(names(&consumer.step(worked(1))), ["answer 1", "start 2", "lane 1 ended"]);
}

#[test]
fn a_closed_lane_of_a_cancelled_job_waits_for_the_work_to_notice() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    close(&mut consumer, 0);
    let cancelled = Event::Cancelled(vec!["j1".parse().expect("an id")]);
    let let_go = ["cancel 1", "ack 1", "announce 0 leaving false", "unsubscribe 0"];
    assert_eq!(names(&consumer.step(cancelled)), let_go);
    assert_eq!(names(&consumer.step(worked(1))), ["lane 0 ended"]);
}

#[test]
fn a_later_attempt_at_a_leased_task_still_joins_it_when_its_lane_has_closed() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.lease();
    consumer.step(Event::Leased { tag: 1 });
    consumer.step(opened(1, 1));
    close(&mut consumer, 0);
    let again = |lane| Event::Delivered { lane, tag: 2, task: Ok(task(1)), returns: 0 };
    assert_eq!(names(&consumer.step(again(0))), ["drop 2"], "its subscription has ended");
    assert_eq!(names(&consumer.step(again(1))), ["lease 2 started true"]);
}

#[test]
fn a_stopping_consumer_opens_no_lane() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(Event::Stop);
    assert_eq!(names(&consumer.step(opened(1, 1))), [""; 0]);
    assert_eq!(consumer.engine.lanes().count(), 1);
}
