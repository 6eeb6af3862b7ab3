//! Jobs whose results a caller in this process takes as they come.

use shared::protocol::limits::DIGESTS_KEPT;
use shared::protocol::message::{Announcement, Update as Told, Updates};
use shared::protocol::payload::ContentType;
use shared::protocol::workload::call;
use shared::protocol::workload::steps;

use super::*;
use crate::owner::Update;

fn streaming(tasks: u64) -> World {
    let mut world = World::new();
    world.open();
    let opening = world.opening();
    world.event(Event::Follow { job: job(), opening, streams: true });
    for number in 0..tasks {
        world.plan(number, 1);
    }
    world
}

/// The numbers of the tasks that a caller hears of, and whether they are done.
fn counted(actions: &[Action]) -> Vec<(u64, bool)> {
    let counted = |action: &Action| match action {
        Action::Other(Effect::Counted { number, verdict, .. }) => Some((*number, verdict.failure().is_none())),
        _ => None,
    };
    actions.iter().filter_map(counted).collect()
}

fn take(world: &mut World, numbers: &[u64]) {
    let opening = world.opening();
    world.event(Event::Taken { job: job(), opening, numbers: numbers.to_vec() });
}

fn rows(world: &World) -> [u64; 2] {
    let reader = rusqlite::Connection::open(&world.path).expect("a database");
    ["tasks", "outcomes"]
        .map(|table| reader.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count"))
}

#[test]
fn a_caller_hears_once_of_each_task_that_is_counted() {
    let mut world = streaming(3);
    assert_eq!(counted(&world.done(1)), [(1, true)]);
    assert_eq!(counted(&world.done(1)), []);
    let failed = Verdict::Permanent(Failure { reason: "no".to_owned(), stderr: String::new() });
    assert_eq!(counted(&world.answer(0, 1, failed)), [(0, false)]);
    assert_eq!(counted(&world.done(2)), [(2, true)]);
}

#[test]
fn nobody_hears_of_a_job_that_is_only_followed() {
    let mut world = World::new();
    world.open_with(1);
    let opening = world.opening();
    world.event(Event::Follow { job: job(), opening, streams: false });
    assert_eq!(counted(&world.done(0)), []);
}

#[test]
fn what_was_taken_leaves_the_store_without_a_gap() {
    let mut world = streaming(4);
    [0, 1, 3].into_iter().for_each(|number| drop(world.done(number)));
    take(&mut world, &[1, 3]);
    assert_eq!(rows(&world), [4, 3]);
    take(&mut world, &[0]);
    // Task 3 stays: a restart has to know that it is answered.
    assert_eq!(rows(&world), [2, 1]);
    world.done(2);
    take(&mut world, &[2]);
    assert_eq!(rows(&world), [0, 0]);
    world.end_plan(4);
    world.report();
    assert_eq!((world.status().state, world.counts().tasks_done), (JobState::Finished, 4));
}

#[test]
fn what_is_not_answered_cannot_be_taken() {
    let mut world = streaming(2);
    take(&mut world, &[0, 1]);
    assert_eq!(rows(&world), [2, 0]);
    world.done(0);
    world.done(1);
    assert_eq!(rows(&world), [2, 2]);
}

#[test]
fn a_repeat_is_compared_with_what_has_left() {
    let mut world = streaming(2);
    world.done(0);
    take(&mut world, &[0]);
    assert_eq!(settled(&world.done(0)), ["ack"]);
    assert_eq!((world.counts().duplicates, world.counts().conflicts), (1, 0));
    let other = Verdict::Done(Payload::json(format!(r#"{{"digests":["{}"],"bytes":99}}"#, "0".repeat(40))));
    assert_eq!(settled(&world.answer(0, 1, other)), ["ack"]);
    assert_eq!((world.counts().duplicates, world.counts().conflicts), (2, 1));
}

#[test]
fn an_endless_stream_leaves_nothing_behind() {
    let mut world = streaming(0);
    let (tasks, mut first) = (DIGESTS_KEPT as u64 + 50, None);
    let mut sizes = Vec::new();
    for number in 0..tasks {
        world.plan(number, 1);
        if number == 0 {
            first = Some(world.outcome(0, 1, done(1)));
        }
        world.done(number);
        take(&mut world, &[number]);
        if number % 4_096 == 4_095 {
            sizes.push(std::fs::metadata(&world.path).expect("a file").len());
        }
    }
    assert_eq!(rows(&world), [0, 0]);
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    // Of the first task nothing is left to compare with: its repeat is acked.
    assert_eq!(settled(&world.event(first.expect("it was sent"))), ["ack"]);
    assert_eq!((world.counts().tasks_done, world.counts().duplicates), (tasks, 0));
    // After a restart the stream is over, and the account is as it was.
    world.restart(true);
    assert_eq!((world.counts().tasks_done, world.counts().tasks_open), (tasks, 0));
}

#[test]
fn a_result_that_an_open_task_needs_stays_until_that_is_done() {
    let spec = steps::Spec { caravan: job(), rider: 0, whips: 100, needs: 1 };
    let (mut world, id) = (World::new(), spec.job());
    let opened = opened(&world.event(super::opening(id.clone(), JobSpec::Steps(spec))));
    let opening = opened.opening;
    world.event(Event::Follow { job: id.clone(), opening: opening.clone(), streams: true });
    let mut hash = PlanHash::start();
    let mut plan = |world: &mut World, number: u64, needs: Vec<u64>| {
        let body = Some(Payload::of(&steps::Whip { intensity: number }));
        let notes = Notes { needs, ..Notes::default() };
        let planned = Planned { number, class: steps::class(), body, items: 1, bytes: 0, notes, at: None };
        let place = Place { opening: opening.clone(), after: hash.clone() };
        hash = planned.hash(&hash);
        world.event(Arrived::Planned { job: id.clone(), place, planned: Box::new(planned), tag: None });
    };
    plan(&mut world, 0, Vec::new());
    plan(&mut world, 1, vec![0]);
    let says = |world: &mut World, number: u64| {
        let task = TaskId { job: id.clone(), number };
        let plan = world.ledger().known(&task).expect("it can be read").expect("it is planned").plan;
        let address =
            Address { task, opening: opening.clone(), plan, attempt: 1, owner: owner(), workload: Workload::Steps };
        let verdict = Verdict::Done(Payload::of(&steps::Answer { steps: 1 }));
        let (host, consumer) = ("h".to_owned(), None);
        let outcome = Outcome { address, consumer, host, micros: 1, redelivered: false, verdict, parts: None };
        world.event(Arrived::Outcome { outcome: Box::new(outcome), tag: None });
        world.event(Event::Taken { job: id.clone(), opening: opening.clone(), numbers: vec![number] });
    };
    says(&mut world, 0);
    assert_eq!(rows(&world), [2, 1]);
    says(&mut world, 1);
    assert_eq!(rows(&world), [0, 0]);
}

/// A pool's job.
fn pool() -> World {
    let init = Payload { content_type: ContentType::MESSAGE_PACK, bytes: vec![0xc0].into() };
    let spec = JobSpec::Call(call::Spec { pool: job(), worker: "w".to_owned(), init });
    let mut world = World::new();
    let told = announced(&world.event(super::opening(job(), spec)));
    assert_eq!(told, [(0, false)]);
    world
}

/// The versions that consumers are told, and whether the job is over.
fn announced(actions: &[Action]) -> Vec<(u64, bool)> {
    let told = |action: &Action| match action {
        Action::Other(Effect::Announce(announcement)) => {
            let Announcement { version, is_over, .. } = &**announcement;
            Some((*version, *is_over))
        }
        _ => None,
    };
    actions.iter().filter_map(told).collect()
}

fn update(world: &mut World, text: &'static str, replaces: bool) -> Vec<Action> {
    let update = Update { body: Payload::json(text), replaces, reply: ReplyTo::Local(0) };
    let opening = world.opening();
    world.event(Event::Update { job: job(), opening, update })
}

fn fetched(world: &mut World, after: Option<u64>) -> Updates {
    let opening = world.opening();
    let actions = world.event(Arrived::Updates { job: job(), opening, after, reply: ReplyTo::Local(0) });
    let updates = actions.into_iter().find_map(|action| match action {
        Action::Other(Effect::Reply { reply, .. }) => match *reply {
            Reply::Updates(updates) => Some(updates),
            _ => None,
        },
        _ => None,
    });
    updates.expect("it has them")
}

fn versions(updates: &Updates) -> Vec<u64> {
    updates.updates.iter().map(|Told { version, .. }| *version).collect()
}

#[test]
fn consumers_are_told_of_a_pool_once_a_heartbeat_and_of_each_update_at_once() {
    let mut world = pool();
    assert_eq!(announced(&world.pass(Duration::from_secs(5))), []);
    assert_eq!(announced(&world.pass(Duration::from_secs(5))), [(0, false)]);
    assert_eq!(announced(&update(&mut world, "1", false)), [(1, false)]);
    // Whoever joins hears of it at once.
    assert_eq!(announced(&world.presence(1, &[])), [(1, false)]);
    assert_eq!(announced(&world.presence(1, &[])), []);
    let opening = world.opening();
    let cancel = Event::Cancel { job: job(), opening: Some(opening), reply: ReplyTo::Local(0) };
    assert_eq!(announced(&world.event(cancel)), [(1, true)]);
    assert_eq!(announced(&world.pass(Duration::from_secs(20))), []);
}

#[test]
fn updates_are_fetched_in_order_and_survive_a_restart() {
    let mut world = pool();
    update(&mut world, "1", false);
    update(&mut world, "2", false);
    let all = fetched(&mut world, None);
    assert_eq!((all.init.map(|init| init.bytes), all.version), (Some(vec![0xc0].into()), 2));
    world.restart(true);
    update(&mut world, "3", false);
    let rest = fetched(&mut world, Some(1));
    assert_eq!((rest.init, rest.version), (None, 3));
    assert_eq!(versions(&fetched(&mut world, Some(1))), [2, 3]);
    update(&mut world, "4", true);
    update(&mut world, "5", false);
    assert_eq!(versions(&fetched(&mut world, Some(0))), [4, 5]);
    assert_eq!(versions(&fetched(&mut world, Some(5))), [0; 0]);
}

#[test]
fn an_update_that_fits_no_message_is_refused() {
    let mut world = pool();
    let body = Payload::bytes(vec![0; shared::protocol::limits::UPDATE_BYTES_MAX + 1]);
    let opening = world.opening();
    let update = Update { body, replaces: false, reply: ReplyTo::Local(0) };
    let actions = world.event(Event::Update { job: job(), opening, update });
    let refused = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => matches!(**reply, Reply::Refused { .. }),
        _ => false,
    };
    assert!(actions.iter().any(refused));
    assert_eq!(fetched(&mut world, Some(0)).version, 0);
}

/// One call that takes hours must not keep the bytes of all that are done meanwhile.
#[test]
fn contents_leave_behind_a_task_that_is_open_for_long_and_a_restart_sends_it_alone() {
    let mut world = streaming(1_100);
    (1..1_100).for_each(|number| drop(world.done(number)));
    take(&mut world, &(1..1_100).collect::<Vec<_>>());
    let reader = rusqlite::Connection::open(&world.path).expect("a database");
    let count = |sql| reader.query_row(sql, [], |row| row.get::<_, u64>(0)).expect("a count");
    assert_eq!(count("SELECT count(*) FROM tasks WHERE body IS NOT NULL"), 1);
    assert_eq!((rows(&world), world.counts().tasks_done), ([1_100, 0], 1_099));
    assert_eq!(counted(&world.done(7)), [], "a repeat is no news");
    assert_eq!((world.counts().duplicates, world.counts().conflicts), (1, 0));
    assert_eq!(sent(&world.restart(true)), [(0, 2)]);
    let opening = world.opening();
    world.event(Event::Follow { job: job(), opening, streams: true });
    assert_eq!(counted(&world.answer(0, 2, done(1))), [(0, true)]);
    world.end_plan(1_100);
    world.report();
    assert_eq!((world.status().state, world.counts().tasks_done), (JobState::Finished, 1_100));
}
