//! The steps workload: a sum over the caravan, and one record for each whip.

use bytes::Bytes;
use shared::protocol::path::PathBytes;
use shared::protocol::reason::Reason;
use shared::protocol::workload::steps::{Answer, Spec, Whip, class};

use super::{Derived, Record, Settled, Tally};

pub(super) fn tally(answer: &[u8]) -> Result<Tally, Reason> {
    let steps = Answer::parse(answer)?.steps;
    // At 32 bits an answer, the sum of 2^31 answers fits into 63 bits.
    let amount =
        u32::try_from(steps).map_err(|_| Reason::Body { detail: format!("{steps} steps, more than 32 bits") })?;
    Ok(Tally { items_done: 1, amount: i64::from(amount), ..Tally::default() })
}

pub(super) fn is_same(first: &[u8], second: &[u8]) -> bool {
    match (Answer::parse(first), Answer::parse(second)) {
        (Ok(first), Ok(second)) => first == second,
        _ => first == second,
    }
}

pub(super) fn label(spec: &Spec) -> String {
    format!("caravan {}", spec.caravan)
}

pub(super) fn derive(spec: &Spec, number: u64) -> Option<Derived> {
    (number < spec.whips).then(|| {
        let body = serde_json::to_vec(&Whip { intensity: number }).expect("a whip is one number");
        Derived { class: class(), body: Bytes::from(body) }
    })
}

pub(super) fn records(task: &Settled) -> Result<Vec<Record>, Reason> {
    let number = task.number;
    Ok(match &task.answer {
        Some(Ok(answer)) => vec![Record::Whip { number, steps: Answer::parse(answer)?.steps }],
        Some(Err(reason)) => {
            vec![Record::Failed { name: PathBytes(format!("whip {number}").into_bytes()), reason: reason.clone() }]
        }
        None => Vec::new(),
    })
}
