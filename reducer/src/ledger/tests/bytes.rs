//! Any bytes of any content type survive every road of a task: its plan, dead letters, failed
//! attempts, restarts, a replay, parts, and its answer.

use std::time::SystemTime;

use proptest::prelude::*;
use shared::protocol::id::RunId;
use shared::protocol::message::{Part, Parts, Task};
use shared::protocol::payload::ContentType;
use shared::protocol::workload::call::{self, ResultsBuilder};

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn payload() -> impl Strategy<Value = Payload> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(any::<u8>(), 0..20_000),
        // What a database or a reader of texts might take for an end or a number.
        prop::sample::select(vec![b"\0".to_vec(), b"a\0b".to_vec(), b"1e5".to_vec(), b"\xff\xfe".to_vec(), Vec::new()]),
    ];
    ("[ -~]{1,128}", bytes).prop_map(|(content_type, bytes)| Payload {
        content_type: content_type.parse::<ContentType>().expect("printable"),
        bytes: bytes.into(),
    })
}

fn pool() -> call::Spec {
    call::Spec { pool: job(), worker: "w".to_owned(), init: Payload::json("0") }
}

/// The one task that is sent, as its consumer reads it.
fn taken(actions: &[Action]) -> Task {
    let task = |action: &Action| match action {
        Action::Publish(task) => Some(Task::from_message(&task.to_message(NOW)).expect("it can be read")),
        Action::Other(_) => None,
    };
    let tasks: Vec<Task> = actions.iter().filter_map(task).collect();
    let [task] = &*tasks else { panic!("one task is sent, and not {:?}", sent(actions)) };
    task.clone()
}

/// The rows of a query for bytes and their content type.
fn stored(world: &World, query: &str) -> Vec<(Vec<u8>, String)> {
    let reader = rusqlite::Connection::open(&world.path).expect("a database");
    let mut statement = reader.prepare(query).expect("a query");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("bytes and a text")
}

fn as_stored(payload: &Payload) -> (Vec<u8>, String) {
    (payload.bytes.to_vec(), payload.content_type.to_string())
}

fn answer(results: &[Vec<u8>]) -> Payload {
    let mut answer = ResultsBuilder::default();
    for result in results {
        answer.push(|to| {
            to.extend_from_slice(result);
            Ok(())
        });
    }
    answer.finish(0, 0)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_bytes_survive_every_road(
        body in payload(),
        results in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4),
        parts in prop::collection::vec(payload(), 0..3),
        restarts in any::<[bool; 4]>(),
    ) {
        let mut world = World::with(|config| config.attempts_max = 2);
        let mut restarts = restarts.into_iter();
        let mut may_restart = |world: &mut World| if restarts.next() == Some(true) { drop(world.restart(false)) };
        world.event(opening(job(), JobSpec::Call(pool())));
        let items = results.len() as u32;
        let (number, class, notes) = (0, pool().class(), Notes::default());
        let planned = Planned { number, class, body: Some(body.clone()), items, bytes: 0, notes, at: None };
        let place = world.place(PlanHash::start());
        let (_, _, planned) = Planned::from_message(&planned.to_message(&job(), &place, NOW)).expect("it can be read");
        prop_assert_eq!(&taken(&world.plan_task(planned)).body, &body);
        world.end_plan(1);

        may_restart(&mut world);
        let mut actions = world.dead_letter(0, 1);
        actions.extend(world.pass(Duration::from_secs(60)));
        prop_assert_eq!(&taken(&actions).body, &body, "after a dead letter");
        may_restart(&mut world);
        // A restart forgets earlier failures.
        for attempt in 2..6 {
            if world.counts().tasks_failed == 0 {
                world.answer(0, attempt, failed("no"));
                world.pass(Duration::from_secs(60));
            }
        }
        prop_assert_eq!(world.counts().tasks_failed, 1);
        // While a report is written nothing is replayed.
        world.report();
        may_restart(&mut world);
        let replay = Arrived::Replay { filter: None, openings: None, reply: ReplyTo::Local(0) };
        let replayed = taken(&world.event(replay));
        prop_assert_eq!(&replayed.body, &body, "after a replay");

        for (number, part) in (0..).zip(&parts) {
            let (address, run) = (replayed.address.clone(), RunId::from_name(b"run"));
            let part = Part { address, run, number, item: None, body: part.clone() };
            let part = Part::from_message(&part.to_message(NOW)).expect("it can be read");
            let tag = world.tag();
            world.event(Arrived::Part { part: Box::new(part), tag });
        }
        may_restart(&mut world);
        let answer = answer(&results);
        let outcome = Outcome {
            address: replayed.address,
            consumer: None,
            host: "h".to_owned(),
            micros: 1,
            redelivered: false,
            verdict: Verdict::Done(answer.clone()),
            parts: (!parts.is_empty()).then(|| Parts { run: RunId::from_name(b"run"), count: parts.len() as u32 }),
        };
        let outcome = Outcome::from_message(&outcome.to_message(NOW)).expect("it can be read");
        let tag = world.tag();
        world.event(Arrived::Outcome { outcome: Box::new(outcome), tag });
        prop_assert_eq!((world.counts().tasks_done, world.counts().items_done), (1, u64::from(items)));
        world.restart(true);
        prop_assert_eq!(stored(&world, "SELECT CAST(answer AS BLOB), answer_type FROM outcomes"), [as_stored(&answer)]);
        let found = stored(&world, "SELECT CAST(body AS BLOB), body_type FROM parts ORDER BY part");
        prop_assert_eq!(found, parts.iter().map(as_stored).collect::<Vec<_>>());
    }
}
