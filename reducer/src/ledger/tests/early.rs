//! Early answers: a part of a task is answered, and its holder goes on with the rest.

use shared::protocol::message::{Lease, LeaseBody, Task};
use shared::protocol::workload::call::{self, Pack, ResultsBuilder};

use super::*;

fn pool() -> call::Spec {
    call::Spec { pool: job(), worker: "w".to_owned(), init: Payload::json("0") }
}

fn pack(calls: &[&str]) -> Payload {
    Pack { need: 0, budget: 9, calls: calls.iter().map(|call| call.as_bytes().to_vec().into()).collect() }.body()
}

fn results(results: &[&str], left: u32) -> Payload {
    let mut builder = ResultsBuilder::default();
    for result in results {
        builder.push(|to| {
            to.extend_from_slice(result.as_bytes());
            Ok(())
        });
    }
    builder.finish(0, left)
}

/// A streamed pool whose one task has calls `a` to `e`.
fn streamed() -> World {
    let mut world = World::new();
    world.event(opening(job(), JobSpec::Call(pool())));
    let opening = world.opening();
    world.event(Event::Follow { job: job(), opening, streams: true });
    let body = Some(pack(&["a", "b", "c", "d", "e"]));
    world.plan_task(Planned { class: pool().class(), body, items: 5, ..planned(0, 1) });
    world
}

impl World {
    fn early(&mut self, plan: PlanHash, answer: Payload) -> Vec<Action> {
        let address = Address { plan, ..self.address(0, 1) };
        self.early_at(address, answer)
    }

    fn early_of(&mut self, number: u64, answer: Payload) -> Vec<Action> {
        let address = self.address(number, 1);
        self.early_at(address, answer)
    }

    fn early_at(&mut self, address: Address, answer: Payload) -> Vec<Action> {
        let tag = self.tag();
        let (holder, host) = (ConsumerId::from_name(b"c"), "node-07".to_owned());
        let body = LeaseBody::Early { answer, micros: 9 };
        let lease = Lease { address, holder, host, is_started: true, redelivered: false, body };
        self.event(Arrived::Lease { lease: Box::new(lease), tag })
    }

    fn plan_of_all(&self) -> PlanHash {
        self.known(0).expect("it is planned").plan
    }

    /// The holder is silent until its task is sent again.
    fn lapse(&mut self) -> Vec<Action> {
        let heartbeat = Config::new(owner()).heartbeat;
        let mut actions = self.pass(heartbeat * 3);
        actions.extend(self.pass(heartbeat * 6));
        actions
    }
}

fn early_news(actions: &[Action]) -> Vec<Payload> {
    let early = |action: &Action| match action {
        Action::Other(Effect::Early { number: 0, answer, micros: 9, .. }) => Some(answer.clone()),
        _ => None,
    };
    actions.iter().filter_map(early).collect()
}

fn verdicts(actions: &[Action]) -> Vec<Verdict> {
    let counted = |action: &Action| match action {
        Action::Other(Effect::Counted { verdict, .. }) => Some(verdict.clone()),
        _ => None,
    };
    actions.iter().filter_map(counted).collect()
}

fn published(actions: &[Action]) -> Vec<&Task> {
    fn task(action: &Action) -> Option<&Task> {
        if let Action::Publish(task) = action { Some(task) } else { None }
    }
    actions.iter().filter_map(task).collect()
}

fn refused(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Other(Effect::DeadLetter { .. })))
}

#[test]
fn its_part_is_told_at_once_and_the_task_is_counted_when_the_rest_is_there() {
    let mut world = streamed();
    let early = results(&["A", "B"], 2);
    assert_eq!(early_news(&world.early(world.plan_of_all(), early.clone())), [early]);
    let counts = world.counts();
    assert_eq!((counts.tasks_open, counts.items_done, counts.items_planned), (1, 2, 3), "what was told counts");
    // Another attempt at the whole pack, whose consumer knew nothing of it.
    let whole = Address { plan: world.plan_of_all(), ..world.address(0, 1) };
    let mut late = world.outcome(0, 1, Verdict::Done(results(&["A", "B", "C", "D", "E"], 0)));
    let Arrived::Outcome { outcome, .. } = &mut late else { unreachable!() };
    outcome.address = whole;
    assert_eq!(verdicts(&world.event(late)), []);
    assert_eq!(
        verdicts(&world.answer(0, 1, Verdict::Done(results(&["C"], 0)))),
        [Verdict::Done(results(&["A", "B", "C"], 2))]
    );
    let counts = world.counts();
    assert_eq!((counts.tasks_done, counts.items_done, counts.items_planned), (1, 3, 3));
}

#[test]
fn an_early_answer_counts_once_and_must_leave_one_call_open() {
    let mut world = streamed();
    for wrong in [results(&["A"], 2), results(&["A"], 4), results(&["A", "B", "C", "D", "E"], 0), Payload::json("{}")] {
        let actions = world.early(world.plan_of_all(), wrong);
        assert!(refused(&actions) && early_news(&actions).is_empty(), "{actions:?}");
    }
    assert_eq!(early_news(&world.early(world.plan_of_all(), results(&["A"], 3))).len(), 1);
    // Of another attempt at the whole pack, which got further.
    assert_eq!(early_news(&world.early(world.plan_of_all(), results(&["A", "B"], 2))), []);
    world.answer(0, 1, Verdict::Done(results(&["B"], 0)));
    assert_eq!(world.counts().items_done, 2);
    assert_eq!(early_news(&world.early(world.plan_of_all(), results(&["A"], 3))), [], "it is over");
}

#[test]
fn the_rest_alone_is_sent_again_when_its_holder_is_lost_also_after_a_restart() {
    let mut world = streamed();
    world.early(world.plan_of_all(), results(&["A", "B"], 2));
    let actions = world.lapse();
    let [task] = published(&actions)[..] else { panic!("{actions:?}") };
    let alone = Pack { need: 0, budget: 0, calls: vec![b"c"[..].into()] };
    assert_eq!((&task.body, task.address.attempt), (&alone.body(), 2));
    assert_eq!(task.address.plan, world.plan_of_all().rest(&[2]));
    let actions = world.restart(true);
    let [task] = published(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!((&task.body, task.address.plan.clone()), (&alone.body(), world.plan_of_all().rest(&[2])));
    world.answer(0, 1, Verdict::Done(results(&["C"], 0)));
    assert_eq!((world.counts().tasks_done, world.counts().items_done), (1, 3));
}

/// The call that its slot was stuck in kills whoever has it.
#[test]
fn a_rest_that_is_given_up_takes_nothing_of_the_early_answer_with_it() {
    let mut world = streamed();
    world.early(world.plan_of_all(), results(&["A", "B"], 2));
    for attempt in 2..=5 {
        let actions = world.lapse();
        assert_eq!(sent(&actions), [(0, attempt)]);
        let (tag, address) = (world.tag(), world.address(0, attempt));
        let (holder, host) = (ConsumerId::from_name(b"d"), "node-08".to_owned());
        let body = LeaseBody::Task(Payload::json("{}"));
        let lease = Lease { address, holder, host, is_started: true, redelivered: true, body };
        world.event(Arrived::Lease { lease: Box::new(lease), tag });
    }
    let actions = world.lapse();
    assert!(matches!(&verdicts(&actions)[..], [Verdict::Failed(_)]), "{actions:?}");
    let counts = world.counts();
    assert_eq!((counts.tasks_failed, counts.items_done, counts.items_failed, counts.items_planned), (1, 2, 1, 3));
}

#[test]
fn an_early_answer_that_comes_too_late_is_no_refusal_and_repeats_are_told_from_strangers() {
    let mut world = streamed();
    let (whole, rest) = (world.plan_of_all(), world.plan_of_all().rest(&[4]));
    world.early(whole.clone(), results(&["A", "B", "C", "D"], 0));
    world.answer(0, 1, Verdict::Done(results(&["E"], 0)));
    let actions = world.early(whole.clone(), results(&["A"], 3));
    assert!(!refused(&actions) && early_news(&actions).is_empty(), "{actions:?}");
    for (plan, answer) in [(rest, results(&["E"], 0)), (whole, results(&["A", "B", "C", "D", "other"], 0))] {
        let mut again = world.outcome(0, 1, Verdict::Done(answer));
        let Arrived::Outcome { outcome, .. } = &mut again else { unreachable!() };
        outcome.address.plan = plan;
        world.event(again);
    }
    let counts = world.counts();
    assert_eq!((counts.duplicates, counts.conflicts, counts.dropped.len()), (2, 1, 0), "{counts:?}");
}

/// What was told stays told.
#[test]
fn a_pool_that_is_terminated_has_counted_what_was_told() {
    let mut world = streamed();
    world.early(world.plan_of_all(), results(&["A", "B"], 2));
    let opening = world.opening();
    world.event(Event::Cancel { job: job(), opening: Some(opening), reply: ReplyTo::Local(0) });
    let counts = world.counts();
    assert_eq!((counts.items_done, counts.items_cancelled, counts.items_planned), (2, 1, 3));
}

/// Whoever streams a job has heard that its task failed.
#[test]
fn a_streamed_task_is_not_replayed() {
    let mut world = streamed();
    world.early(world.plan_of_all(), results(&["A", "B"], 2));
    let failed = Verdict::Permanent(Failure { reason: "no".to_owned(), stderr: String::new() });
    world.answer(0, 1, failed);
    let actions = world.event(Arrived::Replay { filter: None, openings: None, reply: ReplyTo::Local(0) });
    assert_eq!(sent(&actions), []);
    assert_eq!((world.counts().tasks_failed, world.counts().items_failed), (1, 1));
}

/// What was left must not wait at the very consumer that is stuck.
#[test]
fn while_all_slots_of_a_consumer_are_stuck_others_are_asked() {
    let mut world = streamed();
    let lane = |slots| vec![LaneState { workload: Workload::Call, class: pool().class(), slots, busy: 0 }];
    world.presence_of(lane(2), &[]);
    let other = Box::new(Presence {
        consumer: ConsumerId::from_name(b"other"),
        host: "h".to_owned(),
        version: "0".to_owned(),
        lanes: lane(1),
        holds: Vec::new(),
        heartbeat_millis: 10_000,
        leaving: false,
        roots: Vec::new(),
        troubles: Vec::new(),
    });
    let leaving = Box::new(Presence { leaving: true, ..(*other).clone() });
    world.event(Arrived::Presence(other));
    let avoids = |world: &mut World, number: u64| {
        let planned = Planned { class: pool().class(), body: Some(pack(&["x", "y"])), items: 2, ..planned(number, 1) };
        let actions = world.plan_task(planned);
        published(&actions).iter().map(|task| task.avoid.clone()).collect::<Vec<_>>()
    };
    world.early(world.plan_of_all(), results(&["A", "B"], 2));
    assert_eq!(avoids(&mut world, 1), [vec![]], "it has another slot");
    world.early_of(1, results(&[], 1));
    let stuck = vec![ConsumerId::from_name(b"c")];
    assert_eq!(avoids(&mut world, 2), [stuck]);
    world.event(Arrived::Presence(leaving));
    assert_eq!(avoids(&mut world, 3), [vec![]], "nobody else is there");
    world.answer(1, 1, Verdict::Done(results(&["X"], 0)));
    assert_eq!(avoids(&mut world, 4), [vec![]], "a slot is free");
}
