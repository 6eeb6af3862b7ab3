//! The engine, one event at a time.

use shared::protocol::id::{Class, PlanHash, TaskId};
use shared::protocol::message::Address;
use shared::protocol::workload::Workload;

use super::*;

/// Half of the ack timeout.
pub(in crate::engine) const PATIENCE: Duration = Duration::from_secs(30);

/// An engine and the time.
pub(in crate::engine) struct Timed {
    pub engine: Consumer,
    now: Moment,
}

impl Timed {
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        self.engine.step(event, self.now)
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// A heartbeat after so much time that a lease is due for what is held now.
    pub fn lease(&mut self) -> Vec<Action> {
        self.pass(PATIENCE);
        self.step(Event::HeartbeatDue)
    }
}

/// A consumer that has no lane.
pub(in crate::engine) fn without_lanes(cores: u32) -> Timed {
    let engine = Consumer::new(Config {
        consumer: ConsumerId::from_name(b"c"),
        host: "h".to_owned(),
        cores,
        heartbeat_millis: 1_000,
        ack_timeout: PATIENCE * 2,
    });
    Timed { engine, now: Duration::from_secs(1_700_000_000) }
}

pub(in crate::engine) fn opened(lane: Lane, slots: u32) -> Event {
    let (workload, class) = (Workload::Steps, Class::from_name(b"any"));
    Event::LaneOpened { lane, spec: LaneSpec { workload, class, slots, ahead: 0, uses_cores: true } }
}

/// A consumer with lane 0, which may use all cores.
pub(in crate::engine) fn consumer(slots: u32) -> Timed {
    let mut consumer = without_lanes(slots);
    assert_eq!(names(&consumer.step(opened(0, slots))), ["subscribe 0"]);
    consumer
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
        Action::Subscribe { lane } => format!("subscribe {lane}"),
        Action::Unsubscribe { lane } => format!("unsubscribe {lane}"),
        Action::LaneEnded { lane } => format!("lane {lane} ended"),
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
fn a_task_of_another_queue_is_refused() {
    let wrong: [fn(&mut Task); 2] =
        [|task| task.address.workload = Workload::Digest, |task| task.class = Class::from_name(b"other")];
    for change in wrong {
        let (mut consumer, mut task) = (consumer(1), task(1));
        change(&mut task);
        let actions = consumer.step(Event::Delivered { lane: 0, tag: 1, task: Ok(task), returns: 0 });
        let [Action::DeadLetter { tag: 1, reason }] = &actions[..] else { panic!("{actions:?}") };
        assert!(reason.to_string().contains("in the queue of steps, any"), "{reason}");
        assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
    }
}

#[test]
fn a_confirm_that_is_repeated_settles_nothing_more() {
    let mut consumer = consumer(1);
    consumer.step(delivered(1));
    consumer.step(Event::Worked { tag: 1, result: done(), micros: 1 });
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), ["ack 1"]);
    assert_eq!(names(&consumer.step(Event::Confirmed { tag: 1 })), [""; 0]);
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
