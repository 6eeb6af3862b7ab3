//! Tests of the properties on stable Rust, with changed seeds and with arbitrary bytes.

use std::time::SystemTime;

use proptest::prelude::*;
use proptest::sample::Index;

use super::text;
use crate::protocol::id::{Class, ConsumerId, JobId, OpeningId, OwnerId, PlanHash, RunId, TaskId};
use crate::protocol::message::{
    Address, Cancel, Failure, Lease, LeaseBody, Message, Notes, Outcome, Part, Parts, Place, PlanEnd, Planned, Request,
    Task, Verdict, kind,
};
use crate::protocol::payload::Payload;
use crate::protocol::workload::Workload;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// One valid message of each kind.
fn seeds() -> Vec<Message> {
    let task = TaskId { job: JobId::from_name(b"j"), number: 7 };
    let (owner, opening, plan) = (OwnerId::from_name(b"main"), OpeningId::from_name(b"o"), PlanHash::start());
    let place = Place { opening: opening.clone(), after: plan.clone() };
    let address = Address { task, opening: opening.clone(), plan, attempt: 2, owner, workload: Workload::Words };
    let (job, run, class) = (JobId::from_name(b"j"), RunId::from_name(b"r"), Class::from_name(b"photos"));
    let (host, micros, redelivered) = ("h".to_owned(), 9, true);
    let answer = concat!(
        r#"{"counts":[{"lines":1,"words":2,"characters":9,"bytes":9},null],"#,
        r#""failed":[{"item":1,"reason":"x"}],"check":"00000000000000ff"}"#
    );
    let body = concat!(
        r#"{"manner":{"mode":"ascii","characters":false,"frequencies":true},"#,
        r#""files":{"links":"skip","root":"r","items":[[{"path_base64":"/w=="},3]]}}"#
    );
    let planned = Planned {
        number: 7,
        class: class.clone(),
        body: Some(Payload::bytes(&b"\xff\0"[..])),
        items: 1,
        bytes: 3,
        notes: Notes { failed: Vec::new(), skipped: [("fifo".to_owned(), 1)].into(), needs: vec![2, 5] },
        at: Some(-5),
    };
    let told = Planned { body: None, notes: Notes { needs: Vec::new(), ..planned.notes.clone() }, ..planned.clone() };
    let failed = Verdict::Failed(Failure { reason: "no memory".to_owned(), stderr: "Killed".to_owned() });
    let parts = Some(Parts { run: run.clone(), count: 2 });
    let done = Verdict::Done(Payload::json(answer));
    let outcome = Outcome { address: address.clone(), consumer: None, host, micros, redelivered, verdict: done, parts };
    let holder = ConsumerId::from_name(b"c");
    vec![
        Task {
            address: address.clone(),
            class,
            planned_at: Some(-5),
            avoid: vec![ConsumerId::from_name(b"c"), ConsumerId::from_name(b"d")],
            body: Payload::json(body),
        }
        .to_message(NOW),
        outcome.to_message(NOW),
        Outcome { verdict: failed, parts: None, ..outcome }.to_message(NOW),
        Part { address: address.clone(), run, number: 1, item: Some(0), body: Payload::bytes(&b"3\ta\n"[..]) }
            .to_message(NOW),
        Lease {
            address,
            holder,
            host: "h".to_owned(),
            is_started: true,
            redelivered: false,
            body: LeaseBody::Task(Payload::json(body)),
        }
        .to_message(NOW),
        Cancel { openings: vec![opening] }.to_message("c.1".to_owned(), NOW),
        planned.to_message(&job, &place, NOW),
        told.to_message(&job, &place, NOW),
        PlanEnd { job: job.clone(), tasks: 3 }.to_message(&place, NOW),
        Message::json(kind::REQUEST, "r.1".to_owned(), &Request::Explain { job, number: Some(7) }, NOW),
    ]
}

/// A seed with a few pieces replaced, or arbitrary bytes.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let seeds: Vec<Vec<u8>> = seeds().iter().map(text::write).collect();
    let digits = prop::sample::select(vec!["-1", "4294967296", "9223372036854775808", "18446744073709551615", "1e999"]);
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        digits.prop_map(|text| text.as_bytes().to_vec()),
        "[\\[\\]{}:\",.\\\\0-9a-z\n]{0,8}".prop_map(String::into_bytes),
    ];
    let edits = prop::collection::vec((any::<Index>(), 0_usize..6, piece), 0..4);
    let edited = (prop::sample::select(seeds), edits).prop_map(|(mut input, edits)| {
        for (at, cut, piece) in edits {
            let at = at.index(input.len() + 1);
            input.splice(at..(at + cut).min(input.len()), piece);
        }
        input
    });
    prop_oneof![9 => edited, 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

#[test]
fn seeds_are_the_messages_that_they_were_made_of() {
    for seed in seeds() {
        let read = text::read(&text::write(&seed));
        assert_eq!(Message { timestamp: seed.timestamp, app_id: seed.app_id.clone(), ..read }, seed);
    }
    assert!(Task::from_message(&seeds()[0]).is_ok() && Outcome::from_message(&seeds()[1]).is_ok());
}

/// A store holds numbers below 2^63. A larger number would stop the owner that looks for it, again
/// and again, because its message is redelivered.
#[test]
fn numbers_that_no_store_can_hold_are_refused() {
    let beyond = 1_u64 << 63;
    assert!(format!("j.{beyond}").parse::<TaskId>().is_err() && format!("j.{}", beyond - 1).parse::<TaskId>().is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_message_that_reads_is_the_same_when_written_again(input in inputs()) {
        super::message(&input);
    }

    #[test]
    fn only_what_was_sealed_opens(input in inputs()) {
        super::seal(&input);
    }

    #[test]
    fn names_come_back(input in prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)]) {
        super::names(&input);
    }
}
