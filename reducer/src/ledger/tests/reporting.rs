//! The reports of a finished job, piece by piece.

use serde_json::{Value, json};
use shared::message::{ReportOf, ReportPlace};
use shared::path::from_base64;

use super::*;
use crate::report::{Format, Render, chunk};

/// More than one piece looks at.
const TASKS: u64 = 600;

fn fetched(world: &World, of: ReportOf) -> (Vec<u8>, usize) {
    let (mut text, mut pieces, mut from) = (Vec::new(), 0, ReportPlace::default());
    loop {
        let piece = chunk(&world.path, &job(), of, from).expect("a piece");
        text.extend(from_base64(&piece.text_base64).expect("base64"));
        pieces += 1;
        if piece.last {
            return (text, pieces);
        }
        from = piece.next;
    }
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
    let (failures, pieces) = fetched(&world, ReportOf::Failures);
    assert!(pieces > 1, "{pieces} pieces");
    let failures: Vec<Value> =
        serde_json::Deserializer::from_slice(&failures).into_iter().collect::<Result<_, _>>().expect("lines of JSON");
    let reason = "no\nmemory (given up after attempt 1, the last one on h)";
    let wanted = failing.map(
        |number| json!({"schema": 1, "type": "failed", "name": {"path": format!("r/{number}-0")}, "reason": reason}),
    );
    assert_eq!(failures, wanted);
}
