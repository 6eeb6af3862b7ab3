//! Property of messages: a message that can be read is unchanged by writing and reading it again.

use std::fmt::Debug;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::text;
use crate::protocol::id::{OwnerId, TaskId};
use crate::protocol::job::JobSpec;
use crate::protocol::limits::{HEADERS_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::protocol::message::{
    Cancel, DeadLetter, Lease, Message, Outcome, Part, PlanEnd, Planned, Presence, Reply, Request, Task,
};
use crate::protocol::reason::Reason;
use crate::protocol::workload::{digest, steps, words};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// No message makes a reader panic, and every accepted message is unchanged by writing and reading
/// it again. The input is a message in the form of `text`.
pub fn message(input: &[u8]) {
    let message = text::read(input);
    same(&message, Task::from_message, |task| task.to_message(NOW));
    same(&message, Outcome::from_message, |outcome| outcome.to_message(NOW));
    same(&message, Part::from_message, |part| part.to_message(NOW));
    same(&message, Lease::from_message, |lease| lease.to_message(NOW));
    same(&message, Cancel::from_message, |cancel| cancel.to_message("id".to_owned(), NOW));
    same(&message, PlanEnd::from_message, |(place, plan_end)| plan_end.to_message(place, NOW));
    same(&message, Planned::from_message, |(job, place, planned)| planned.to_message(job, place, NOW));
    bodies(&message.body);
    if let Ok(task) = message.id.parse::<TaskId>() {
        assert!(i64::try_from(task.number).is_ok(), "no store can hold the number of {task}");
    }
    dead(message);
}

fn same<T: Debug + PartialEq>(
    message: &Message,
    read: impl Fn(&Message) -> Result<T, Reason>,
    write: impl Fn(&T) -> Message,
) {
    if let Ok(first) = read(message) {
        let again = write(&first);
        // A body near the limit may grow over it: written JSON may need more characters, for
        // example for a line break.
        if again.body.len() <= MESSAGE_BYTES_MAX {
            assert_eq!(read(&again).as_ref(), Ok(&first));
        }
    }
}

/// Bodies of messages whose envelopes carry no data of their own.
fn bodies(body: &[u8]) {
    same_json::<Request>(body);
    same_json::<Reply>(body);
    same_json::<Presence>(body);
    same_json::<JobSpec>(body);
    same_json::<digest::Batch>(body);
    same_json::<words::Batch>(body);
    same_json::<steps::Whip>(body);
    for items in 0..4 {
        let _ = digest::Answer::parse(body, items);
        if let Ok(answer) = words::Answer::parse(body, items) {
            let sum = |of: fn(&words::Counts) -> u64| answer.counts.iter().flatten().map(of).map(u128::from).sum();
            let total = answer.total();
            let exact: [u128; 4] = [sum(|c| c.lines), sum(|c| c.words), sum(|c| c.characters), sum(|c| c.bytes)];
            assert_eq!([total.lines, total.words, total.characters, total.bytes].map(u128::from), exact);
        }
    }
}

fn same_json<T: Serialize + DeserializeOwned>(body: &[u8]) {
    let Ok(first) = serde_json::from_slice::<T>(body) else { return };
    let first = serde_json::to_value(first).expect("it has text keys and finite numbers");
    let second: T = serde_json::from_value(first.clone()).expect("what was written reads");
    let second = serde_json::to_value(second).expect("it has text keys and finite numbers");
    assert_eq!(rounded(first), rounded(second));
}

/// Numbers with fractions are times for people; their last digit may change.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => Value::Null,
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(values) => values.into_iter().map(|(key, value)| (key, rounded(value))).collect(),
        other => other,
    }
}

/// A refused message keeps its identity as a dead letter, for any input.
fn dead(message: Message) {
    let owner = message.header::<OwnerId>("owner").unwrap_or_else(|_| OwnerId::from_name(b"main"));
    let before = DeadLetter::read(&message, &owner);
    let reason = Reason::Kind { kind: message.kind.to_string() };
    let fits = message.headers_bytes() < 8 * 1024;
    let wrapped = DeadLetter::wrap(message, &reason, "h");
    assert!(wrapped.headers_bytes() <= HEADERS_BYTES_MAX, "it can be dead-lettered");
    assert_eq!(wrapped.text("host"), Some("h"));
    if let (Some(before), true) = (before, fits) {
        let after = DeadLetter::read(&wrapped, &owner).expect("it still says whose it is");
        assert_eq!((after.task, after.of, after.attempt), (before.task, before.of, before.attempt));
    }
}
