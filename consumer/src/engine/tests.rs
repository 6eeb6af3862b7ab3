//! The engine, one event at a time.

use super::*;
use shared::protocol::id::{PlanHash, TaskId};
use shared::protocol::message::Address;

pub(in crate::engine) fn consumer(slots: u32) -> Consumer {
    Consumer::new(Config {
        consumer: ConsumerId::from_name(b"c"),
        host: "h".to_owned(),
        slots,
        serves: vec![(Workload::Steps, Class::from_name(b"any"))],
        heartbeat_millis: 1_000,
    })
}

pub(in crate::engine) fn task(number: u64) -> Box<Task> {
    let task = TaskId { job: "j".parse().expect("id"), number };
    let (owner, opening) = ("o".parse().expect("id"), "j1".parse().expect("id"));
    let plan = PlanHash::start();
    let address = Address { task, opening, plan, attempt: 1, owner, workload: Workload::Steps };
    Box::new(Task {
        address,
        class: Class::from_name(b"any"),
        planned_at: None,
        avoid: Vec::new(),
        body: Payload::json("{}"),
    })
}

pub(in crate::engine) fn done() -> Result<Done, WorkError> {
    Ok(Done { answer: Payload::json("{}"), parts: None })
}

pub(in crate::engine) fn delivered(tag: Tag) -> Event {
    Event::Delivered { lane: 0, tag, task: Ok(task(tag)), returns: 0 }
}

pub(in crate::engine) fn names(actions: &[Action]) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::Start { tag, isolated: false, .. } => format!("start {tag}"),
        Action::Start { tag, isolated: true, .. } => format!("isolate {tag}"),
        Action::Answer { tag, .. } => format!("answer {tag}"),
        Action::DeadLetter { tag, .. } => format!("dead-letter {tag}"),
        Action::Cancel { tag } => format!("cancel {tag}"),
        Action::Lease { tag, lease } => format!("lease {tag} started {}", lease.is_started),
        Action::Ack { tag } => format!("ack {tag}"),
        Action::Drop { tag } => format!("drop {tag}"),
        Action::Announce(presence) => format!("announce {} leaving {}", presence.holds.len(), presence.leaving),
        Action::Stopped => "stopped".to_owned(),
    };
    actions.iter().map(name).collect()
}

#[test]
fn an_ack_follows_the_confirm_of_the_outcome() {
    let mut consumer = consumer(1);
    assert_eq!(names(&consumer.step(delivered(1))), ["start 1"]);
    assert_eq!(names(&consumer.step(Event::Worked { tag: 1, result: done(), micros: 1 })), ["answer 1"]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
}

#[test]
fn no_more_than_its_slots_run_at_a_time() {
    let mut consumer = consumer(2);
    let started: Vec<String> = (1..=4).flat_map(|tag| names(&consumer.step(delivered(tag)))).collect();
    assert_eq!(started, ["start 1", "start 2"]);
    let actions = consumer.step(Event::Worked { tag: 2, result: done(), micros: 1 });
    assert_eq!(names(&actions), ["answer 2", "start 3"]);
}

#[test]
fn a_message_that_is_no_task_is_dead_lettered_and_the_next_one_runs() {
    let mut consumer = consumer(1);
    let bad = Event::Delivered { lane: 0, tag: 1, task: Err(Reason::Kind { kind: "x".to_owned() }), returns: 0 };
    assert_eq!(names(&consumer.step(bad)), ["dead-letter 1"]);
    assert_eq!(names(&consumer.step(delivered(2))), ["start 2"]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
}

#[test]
fn the_third_try_at_a_task_is_isolated_however_the_earlier_ones_were_counted() {
    for (returns, attempt, expected) in
        [(0, 1, "start 1"), (1, 1, "start 1"), (0, 2, "start 1"), (2, 1, "isolate 1"), (1, 2, "isolate 1")]
            .into_iter()
            .chain([(0, 3, "isolate 1"), (19, 1, "isolate 1"), (u32::MAX, u32::MAX, "isolate 1")])
    {
        let mut task = task(1);
        task.address.attempt = attempt;
        let delivered = Event::Delivered { lane: 0, tag: 1, task: Ok(task), returns };
        assert_eq!(names(&consumer(1).step(delivered)), [expected], "{returns} returns, attempt {attempt}");
    }
}

#[test]
fn after_an_interruption_waiting_deliveries_are_forgotten_and_running_ones_finish() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(delivered(2));
    assert_eq!(names(&consumer.step(Event::Interrupted { lane: 0 })), ["drop 2"]);
    assert_eq!(names(&consumer.step(Event::Worked { tag: 1, result: done(), micros: 1 })), ["answer 1"]);
}

#[test]
fn stopping_gives_back_what_waits_and_finishes_what_runs() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(delivered(2));
    assert_eq!(names(&consumer.step(Event::Stop)), ["drop 2", "announce 1 leaving true"]);
    assert_eq!(names(&consumer.step(delivered(3))), ["drop 3"]);
    assert_eq!(names(&consumer.step(Event::Worked { tag: 1, result: done(), micros: 1 })), ["answer 1"]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1", "stopped"]);
}
