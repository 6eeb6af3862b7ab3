//! Light queues, which vanish when nobody uses them.

use shared::protocol::message::{Lease, LeaseBody};
use shared::protocol::workload::call::{self, ResultsBuilder};

use super::*;

fn pool() -> call::Spec {
    call::Spec { pool: job(), worker: "w".to_owned(), init: Payload::json("0") }
}

/// A pool with so many tasks.
fn pool_with(configure: fn(&mut Config), tasks: u64) -> (World, Vec<Sent>) {
    let mut world = World::with(configure);
    world.event(opening(job(), JobSpec::Call(pool())));
    let plan = |number| world.plan_task(Planned { class: pool().class(), ..planned(number, 1) });
    let actions: Vec<Action> = (0..tasks).flat_map(plan).collect();
    (world, sent(&actions))
}

/// The queues that are declared.
fn declared(actions: &[Action]) -> Vec<Class> {
    let declared = |action: &Action| match action {
        Action::Other(Effect::Declare { workload: Workload::Call, class }) => Some(class.clone()),
        _ => None,
    };
    actions.iter().filter_map(declared).collect()
}

#[test]
fn an_owner_declares_the_light_queues_of_open_jobs_with_each_heartbeat() {
    let heartbeat = Config::new(owner()).heartbeat;
    let (mut world, _) = pool_with(|_| {}, 0);
    assert_eq!(declared(&world.pass(Duration::ZERO)), [pool().class()], "nothing is planned yet");
    world.plan_task(Planned { class: pool().class(), ..planned(0, 1) });
    assert_eq!(declared(&world.pass(heartbeat / 2)), []);
    for _ in 0..3 {
        assert_eq!(declared(&world.pass(heartbeat)), [pool().class()]);
    }
    assert_eq!(declared(&world.restart(false)), [pool().class()]);
    let mut answer = ResultsBuilder::default();
    answer.push(|_| Ok(()));
    world.answer(0, 1, Verdict::Done(answer.finish(0, 0)));
    world.end_plan(1);
    world.report();
    assert_eq!(declared(&world.pass(heartbeat)), [], "the job has ended");

    let mut world = World::new();
    world.open_with(1);
    assert_eq!(declared(&world.pass(heartbeat)), [], "durable queues stay");
}

#[test]
fn a_long_heartbeat_lets_no_light_queue_expire() {
    let (mut world, _) = pool_with(|config| config.heartbeat = Duration::from_secs(3_600), 1);
    world.pass(Duration::ZERO);
    assert_eq!(declared(&world.pass(shared::protocol::limits::LIGHT_QUEUE_EXPIRES / 2)), [pool().class()]);
}

#[test]
fn the_tasks_of_a_light_queue_that_vanished_are_sent_again_and_find_it() {
    let heartbeat = Config::new(owner()).heartbeat;
    let (mut world, first) = pool_with(|_| {}, 2);
    assert_eq!(first, [(0, 1), (1, 1)]);
    world.pass(heartbeat * 2);
    let gone = Event::QueueState { workload: Workload::Call, class: pool().class(), ready: None };
    let actions = world.event(gone);
    assert_eq!(sent(&actions), [(0, 2), (1, 2)]);
    assert_eq!(declared(&actions), [pool().class()], "before they are sent");
    let is_declared = |action: &Action| matches!(action, Action::Other(Effect::Declare { .. }));
    assert!(actions.first().is_some_and(is_declared), "{actions:?}");
}

/// A light queue counts no deliveries, so a consumer starts what it gets again under a lease.
#[test]
fn a_task_that_kills_whoever_holds_it_is_given_up() {
    let (mut world, heartbeat) = (pool_with(|_| {}, 1).0, Config::new(owner()).heartbeat);
    let opening = world.opening();
    world.event(Event::Follow { job: job(), opening, streams: true });
    for attempt in 1..=5 {
        let (tag, address) = (world.tag(), world.address(0, attempt));
        let (holder, host) = (ConsumerId::from_name(format!("c{attempt}").as_bytes()), "node-07".to_owned());
        let lease = Lease {
            address,
            holder,
            host,
            is_started: true,
            redelivered: true,
            body: LeaseBody::Task(Payload::json("{}")),
        };
        world.event(Arrived::Lease { lease: Box::new(lease), tag });
        assert_eq!(sent(&world.pass(heartbeat)), [], "its holder may live");
        let mut actions = world.pass(heartbeat * 2);
        actions.extend(world.pass(heartbeat * 6));
        assert_eq!(sent(&actions), if attempt < 5 { vec![(0, attempt + 1)] } else { Vec::new() });
    }
    let counts = world.counts();
    assert_eq!((counts.tasks_failed, counts.tasks_open), (1, 0));
}
