//! The reports of a finished job, piece by piece.

use serde_json::{Value, json};
use shared::protocol::limits;
use shared::protocol::message::{ReportOf, ReportPlace};
use shared::protocol::path::from_base64;
use shared::protocol::workload::steps;

use super::*;
use crate::report::{CHUNK_BYTES, Format, Render, chunk};

/// More tasks than one piece covers.
const TASKS: u64 = 600;

fn fetched(world: &World, of: ReportOf) -> (Vec<u8>, usize) {
    fetched_in(world, of, CHUNK_BYTES)
}

fn fetched_in(world: &World, of: ReportOf, bytes: usize) -> (Vec<u8>, usize) {
    let (mut text, mut pieces, mut from) = (Vec::new(), 0, ReportPlace::default());
    loop {
        let piece = chunk(&world.path, &job(), &world.opening(), of, from, bytes).expect("a piece");
        text.extend(from_base64(&piece.text_base64).expect("base64"));
        pieces += 1;
        if piece.last {
            return (text, pieces);
        }
        from = piece.next;
    }
}

fn values(lines: &[u8]) -> Vec<Value> {
    serde_json::Deserializer::from_slice(lines).into_iter().collect::<Result<_, _>>().expect("lines of JSON")
}

#[test]
fn pieces_make_the_report_of_results_and_that_of_failures() {
    let mut world = World::with(|config| config.attempts_max = 1);
    world.open_with(TASKS);
    let failing = [0, 255, 256, TASKS - 1];
    for number in 0..TASKS {
        let verdict = if failing.contains(&number) { failed("no\nmemory") } else { done(1) };
        world.answer(number, 1, verdict);
    }
    world.report();
    let mut whole = Vec::new();
    let mut render = Render::new(&world.path, &job(), Format::Text).expect("a report");
    render.write_up_to(u64::MAX, &mut whole, &mut |_| {}).expect("it is written");
    let (results, pieces) = fetched(&world, ReportOf::Results);
    assert!(results == whole && pieces > 1, "{pieces} pieces");
    // Small pieces, as for a broker with a low message limit.
    let (small, more) = fetched_in(&world, ReportOf::Results, 97);
    assert!(small == whole && more > 10 * pieces, "{more} pieces");
    let (failures, pieces) = fetched(&world, ReportOf::Failures);
    assert!(pieces > 1, "{pieces} pieces");
    let reason = "no\nmemory (given up after attempt 1, the last one on h)";
    let wanted = failing.map(
        |number| json!({"schema": 1, "type": "failed", "name": {"path": format!("r/{number}-0")}, "reason": reason}),
    );
    assert_eq!(values(&failures), wanted);
}

// Any program may send a plan, and the owner does not parse the bodies of its tasks.
#[test]
fn a_task_that_nobody_can_read_fails_as_a_whole_and_its_job_ends() {
    let mut world = World::with(|config| config.attempts_max = 1);
    world.open();
    let planned = Planned { body: Some(Payload::of(&json!({"files": "all of them"}))), ..planned(0, 2) };
    world.plan_task(planned);
    world.plan(1, 1);
    world.end_plan(2);
    world.dead_letter(0, 1);
    assert!(wants_report(&world.done(1)));
    let (results, _) = fetched(&world, ReportOf::Results);
    assert_eq!(String::from_utf8(results).expect("text"), format!("{HEX}  r/1-0\n"));
    let failures = values(&fetched(&world, ReportOf::Failures).0);
    assert_eq!((failures.len(), &failures[0]["name"]), (1, &json!({"path": "task 0"})));
}

/// Without this end, the report would ask the store a thousand million times, for whips that were
/// never sent.
#[test]
fn the_report_of_a_rider_that_got_off_early_ends_where_it_did() {
    let mut world = World::new();
    let spec = steps::Spec { caravan: job(), rider: 0, whips: limits::DERIVED_TASKS_MAX, needs: 0 };
    let rider = spec.job();
    world.event(opening(rider.clone(), JobSpec::Steps(spec)));
    world.plan_end_of(&rider, 0);
    let mut render = Render::new(&world.path, &rider, Format::Text).expect("a report");
    let mut whole = Vec::new();
    render.write_up_to(u64::MAX, &mut whole, &mut |_| {}).expect("it is written");
    assert!(whole.is_empty());
}

#[test]
fn more_whips_than_an_owner_can_count_are_refused() {
    let mut world = World::new();
    let spec = steps::Spec { caravan: job(), rider: 0, whips: limits::DERIVED_TASKS_MAX + 1, needs: 0 };
    let rider = spec.job();
    let actions = world.event(opening(rider.clone(), JobSpec::Steps(spec)));
    let is_refused = actions.iter().any(|action| match action {
        Action::Other(Effect::Reply { reply, .. }) => matches!(**reply, Reply::Refused { .. }),
        _ => false,
    });
    assert!(is_refused, "{actions:?}");
    assert!(world.ledger().owner().status(&rider, world.now).is_none());
}
